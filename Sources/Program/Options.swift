import ArgumentParser
import Foundation
import W2VBackbone
import W2VInference
import W2VKernels
import W2VRecognition
import W2VTorch

extension Device: ExpressibleByArgument {
    /// Reads `cpu`, `cuda` or `cuda:N`.
    public init?(argument: String) { self.init(argument) }

    /// The text that `--help` shows for a default.
    public var defaultValueDescription: String { description }
}

/// Where and how a model runs.
struct ComputeOptions: ParsableArguments {
    @Option(help: "Device to run on: cpu, cuda or cuda:N.")
    var device = Device.cpu

    @Option(help: "CPU threads for the model. (default: all cores)")
    var threads: Int?

    func validate() throws {
        if let threads, !(1...4096).contains(threads) {
            throw ValidationError("--threads is \(threads); it must be from 1 to 4096.")
        }
    }

    /// Sets the number of threads, has freed memory kept for the next tensors, and makes sure of the device.
    func apply() throws {
        if let threads { LibTorch.threads = threads }
        LibTorch.reuseHostMemory()
        try device.prepare()
        Console.log.debug(
            "wav2vec2 \(Program.version) with LibTorch \(LibTorch.version) on \(device), \(LibTorch.threads) threads",
            metadata: ["device": "\(device)", "threads": .stringConvertible(LibTorch.threads)])
    }
}

extension ModelPrecision.Mode: ExpressibleByArgument {}

/// In which number formats a model computes when it is used.
struct PrecisionOptions: ParsableArguments {
    @Option(
        help: """
            Number format of the model. On a CPU, int8 is fastest, bf16 is faster than fp32 if the processor has BF16 \
            instructions (see "wav2vec2 doctor"), tf32 is the same as fp32, and fp16 and fp8 are slow. On a GPU, fp8 is \
            bf16 with 8-bit floating-point matrix products (Ada, Hopper and newer).
            """)
    var precision = ModelPrecision.Mode.fp32

    /// Refuses the formats in which models are only used.
    func validateForTraining() throws {
        guard precision.trains else {
            throw ValidationError(
                "--precision \(precision.rawValue) is for inference; a model cannot be trained in it.")
        }
    }
}

/// How recordings go through a model.
struct PassOptions: ParsableArguments {
    @Option(help: "Seconds of audio in one batch.")
    var batchSeconds = 60.0

    @Option(help: "Longest window in seconds; longer recordings are split into overlapping windows.")
    var windowSeconds = WindowOptions().seconds

    @Option(help: "Seconds of audio that neighboring windows share.")
    var overlapSeconds = WindowOptions().overlap

    func validate() throws {
        // Not a number is not more than 0 either.
        guard batchSeconds > 0, windowSeconds > 0 else {
            throw ValidationError("--batch-seconds and --window-seconds must be more than 0.")
        }
        guard overlapSeconds >= 0, overlapSeconds <= windowSeconds / 2 else {
            throw ValidationError("--overlap-seconds must be from 0 to half of --window-seconds.")
        }
    }

    /// How long recordings are cut.
    var windows: WindowOptions { WindowOptions(seconds: windowSeconds, overlap: overlapSeconds) }
}

/// Which model recognizes.
struct CheckpointOptions: ParsableArguments {
    @Option(
        help: "Fine-tuned model: a folder from this program or Hugging Face, or a .pt file from fairseq or NVIDIA.",
        completion: .file())
    var checkpoint: String

    @OptionGroup var reading: CheckpointReadingOptions

    /// The model put to use.
    ///
    /// - Parameters:
    ///   - device: Where it runs.
    ///   - decoding: How log-probabilities become text; nil for the best letter of every frame.
    /// - Returns: The recognizer.
    /// - Throws: What is wrong with the checkpoint, the dictionary or the language model.
    func recognizer(device: Device, decoding: DecodingOptions? = nil) async throws -> Recognizer {
        try await reading.recognizer(checkpoint, device: device, decoding: decoding)
    }
}

/// How a checkpoint is put to use: what it may not say itself, and how the model computes.
struct CheckpointReadingOptions: ParsableArguments {
    @Option(
        help: "fairseq dictionary (dict.ltr.txt) to use instead of the checkpoint's labels.",
        completion: .file())
    var dictionary: String?

    @Option(
        help: "Checkpoint with the same architecture, for a .pt file that does not describe its own.",
        completion: .file())
    var architectureFrom: String?

    @OptionGroup var precision: PrecisionOptions

    @OptionGroup var passes: PassOptions

    /// A model put to use.
    ///
    /// - Parameters:
    ///   - checkpoint: The checkpoint's path.
    ///   - device: Where it runs.
    ///   - decoding: How log-probabilities become text; nil for the best letter of every frame.
    /// - Returns: The recognizer.
    /// - Throws: What is wrong with the checkpoint, the dictionary or the language model.
    func recognizer(
        _ checkpoint: String, device: Device, decoding: DecodingOptions? = nil
    ) async throws -> Recognizer {
        let began = ContinuousClock.now
        let recognizer = try await Recognizer(
            checkpoint: fileURL(checkpoint), dictionary: dictionary.map(fileURL),
            architectureFrom: architectureFrom.map(fileURL), device: device,
            batchSeconds: passes.batchSeconds, windows: passes.windows,
            precision: ModelPrecision(precision.precision)
        ) { try decoding?.recognitionDecoder(alphabet: $0) ?? .greedy }
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        Console.log.debug(
            "loaded \(checkpoint) in \(decimal(seconds, 2)) s",
            metadata: ["file": "\(checkpoint)", "seconds": .stringConvertible(seconds)])
        Console.notes(recognizer.notes, of: checkpoint, usesLanguageModel: decoding?.lm != nil)
        return recognizer
    }
}

/// What is recognized and by which model: or what a model has made of it already.
struct RecognitionSourceOptions: ParsableArguments {
    /// One or the other.
    enum Source {
        case model(checkpoint: String, manifest: String)
        case logits(String)
    }

    @Option(
        help: "Fine-tuned model: a folder from this program or Hugging Face, or a .pt file from fairseq or NVIDIA.",
        completion: .file())
    var checkpoint: String?

    @OptionGroup var reading: CheckpointReadingOptions

    @Option(
        help: "Recordings with transcripts: a fairseq .tsv, JSON lines, or a folder.", completion: .file())
    var manifest: String?

    @Option(help: "Extension of the label files beside a .tsv: ltr holds letters, any other extension holds words.")
    var labels = "ltr"

    @Option(
        help: "Folder from 'evaluate --save-logits' to decode again, instead of running a model on a manifest.",
        completion: .directory)
    var logits: String?

    /// What was chosen.
    var source: Source {
        get throws {
            switch (checkpoint, manifest, logits) {
            case (let checkpoint?, let manifest?, nil): return .model(checkpoint: checkpoint, manifest: manifest)
            case (nil, nil, let logits?): return .logits(logits)
            default:
                throw ValidationError("Give either --checkpoint and --manifest, or --logits alone.")
            }
        }
    }

    func validate() throws { _ = try source }
}

/// A path given on the command line.
func fileURL(_ path: String) -> URL { URL(fileURLWithPath: path) }
