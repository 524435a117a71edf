import ArgumentParser
import Foundation
import W2VBackbone
import W2VInference
import W2VKernels
import W2VRecognition
import W2VTorch

extension Device: ExpressibleByArgument {
    /// Parses `cpu`, `cuda` or `cuda:N`, and `meta`, which only ``ComputeOptions/apply(rehearses:)`` lets pass.
    public init?(argument: String) {
        guard argument != "meta" else {
            self = .meta
            return
        }
        self.init(argument)
    }

    /// The default's text in `--help`.
    public var defaultValueDescription: String { description }

    /// The values that an error lists.
    public static var allValueStrings: [String] { ["cpu", "cuda", "cuda:N"] }
}

/// Options for the device and the threads.
struct ComputeOptions: ParsableArguments {
    @Option(name: .customLong("device"), help: "Device to run on; the CPU if none is given.")
    var givenDevice: Device?

    /// The device.
    var device: Device { givenDevice ?? .cpu }

    @Option(help: "CPU threads for the model. (default: all cores)")
    var threads: Int?

    func validate() throws {
        if let threads, !(1...4096).contains(threads) {
            throw ValidationError("--threads is \(threads); it must be from 1 to 4096.")
        }
    }

    /// Sets the number of threads, keeps freed memory for later tensors, and checks the device.
    ///
    /// - Parameter rehearses: Whether the command makes sense on a device that computes nothing.
    func apply(rehearses: Bool = false) throws {
        guard device != .meta || rehearses else {
            throw CommandError(
                .usage, "--device meta computes nothing", "it is for benchmark pretrain; take cpu, cuda or cuda:N")
        }
        if let threads { LibTorch.threads = threads }
        // Every pass and update allocates the same blocks; new pages from the system each time cost a seventh of a BASE
        // update.
        LibTorch.reuseHostMemory()
        try device.prepare()
        Console.log.debug(
            "wav2vec2 \(Program.version) with LibTorch \(LibTorch.version) on \(device), \(LibTorch.threads) threads",
            metadata: ["device": "\(device)", "threads": .stringConvertible(LibTorch.threads)])
    }
}

extension ModelPrecision.Mode: ExpressibleByArgument {}

/// Options for the number formats of inference.
struct PrecisionOptions: ParsableArguments {
    @Option(
        help: """
            Number format of the model. On a CPU, int8 is fastest, then bf16 if 'wav2vec2 doctor' shows BF16; on a GPU, \
            fp16 and bf16, or fp8 (Ada, Hopper and newer).
            """)
    var precision = ModelPrecision.Mode.fp32

    /// Refuses the formats that are only for inference.
    func validateForTraining() throws {
        guard precision.trains else {
            throw ValidationError(
                "--precision \(precision.rawValue) is for inference; a model cannot be trained in it.")
        }
    }
}

/// Options for batches and windows of recordings.
struct PassOptions: ParsableArguments {
    @Option(help: "Seconds of audio in one batch.")
    var batchSeconds = 60.0

    @Option(help: "Longest window in seconds; longer recordings are split into overlapping windows.")
    var windowSeconds = WindowOptions().seconds

    @Option(help: "Seconds of audio that neighboring windows share.")
    var overlapSeconds = WindowOptions().overlap

    func validate() throws {
        // This also refuses NaN.
        guard batchSeconds > 0, windowSeconds > 0 else {
            throw ValidationError("--batch-seconds and --window-seconds must be more than 0.")
        }
        guard overlapSeconds >= 0, overlapSeconds <= windowSeconds / 2 else {
            throw ValidationError("--overlap-seconds must be from 0 to half of --window-seconds.")
        }
    }

    /// The windows that recordings are cut into.
    var windows: WindowOptions { WindowOptions(seconds: windowSeconds, overlap: overlapSeconds) }
}

/// Options for the recognizer.
struct CheckpointOptions: ParsableArguments {
    @Option(
        name: [.customShort("c"), .long],
        help: """
            Fine-tuned model: a folder of this program, a run or Hugging Face, a .pt file of fairseq or NVIDIA, or a \
            name on the hub, such as facebook/wav2vec2-base-960h. (default: \(DefaultCheckpoint.variable))
            """,
        completion: .file())
    var checkpoint: String?

    @OptionGroup(title: "Reading the model") var reading: CheckpointReadingOptions

    func validate() throws { _ = try DefaultCheckpoint.require(checkpoint) }

    /// Loads the recognizer.
    ///
    /// - Parameters:
    ///   - device: The model's device.
    ///   - decoding: The decoding of log-probabilities; nil for greedy decoding.
    /// - Throws: An error of the checkpoint, the dictionary or the language model.
    func recognizer(device: Device, decoding: DecodingOptions? = nil) async throws -> Recognizer {
        try await reading.recognizer(DefaultCheckpoint.require(checkpoint), device: device, decoding: decoding)
    }
}

/// Options for using a checkpoint: information that it may lack, and the number format.
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

    /// Loads a recognizer.
    ///
    /// - Parameters:
    ///   - checkpoint: The checkpoint's path.
    ///   - device: The model's device.
    ///   - decoding: The decoding of log-probabilities; nil for greedy decoding.
    /// - Throws: An error of the checkpoint, the dictionary or the language model.
    func recognizer(
        _ checkpoint: String, device: Device, decoding: DecodingOptions? = nil
    ) async throws -> Recognizer {
        let began = ContinuousClock.now
        let recognizer = try await Recognizer(
            checkpoint: modelURL(checkpoint), dictionary: dictionary.map(fileURL),
            architectureFrom: architectureFrom.map(modelURL), device: device,
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

/// The recordings and the model to recognize them with, or a model's saved log-probabilities.
struct RecognitionSourceOptions: ParsableArguments {
    /// The chosen source.
    enum Source {
        case model(checkpoint: String, manifest: String)
        case logits(String)
    }

    @Option(
        name: [.customShort("c"), .long],
        help: """
            Fine-tuned model: a folder of this program, a run or Hugging Face, a .pt file of fairseq or NVIDIA, or a \
            name on the hub, such as facebook/wav2vec2-base-960h. (default: \(DefaultCheckpoint.variable))
            """,
        completion: .file())
    var checkpoint: String?

    @Option(
        name: [.customShort("m"), .long],
        help: "Recordings with transcripts: a fairseq .tsv, JSON lines, or a folder.", completion: .file())
    var manifest: String?

    @Option(help: "Extension of the label files beside a .tsv: ltr holds letters, any other extension holds words.")
    var labels = "ltr"

    @Option(
        help: "Folder from 'evaluate --save-logits' to decode again, instead of running a model on a manifest.",
        completion: .directory)
    var logits: String?

    @OptionGroup(title: "Reading the model") var reading: CheckpointReadingOptions

    /// The chosen source.
    var source: Source {
        get throws {
            switch (checkpoint, manifest, logits) {
            case (_, let manifest?, nil):
                return .model(checkpoint: try DefaultCheckpoint.require(checkpoint), manifest: manifest)
            case (nil, nil, let logits?): return .logits(logits)
            default:
                throw ValidationError("Give either --checkpoint and --manifest, or --logits alone.")
            }
        }
    }

    /// The model as given on the command line or by the environment; nil for saved logits.
    var model: String? {
        if case .model(let checkpoint, _) = try? source { checkpoint } else { nil }
    }

    func validate() throws { _ = try source }
}

/// Returns the URL of a path on the command line.
func fileURL(_ path: String) -> URL { URL(fileURLWithPath: path) }
