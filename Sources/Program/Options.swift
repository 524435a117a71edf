import ArgumentParser
import Foundation
import W2VBackbone
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
    @Option(help: "Where the model runs: cpu, cuda or cuda:N.")
    var device = Device.cpu

    @Option(help: "Threads of the CPU's kernels. (default: all cores)")
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
            Number format of the model. On a CPU int8 is fastest, bf16 is faster than fp32 where the processor has BF16 \
            products ("wav2vec2 doctor" tells), tf32 is fp32, and fp16 and fp8 are slow; on a GPU fp8 is bf16 with products \
            of 8-bit floating-point numbers, for Ada, Hopper and newer.
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
    @Option(help: "Seconds of audio that go through the model at once.")
    var batchSeconds = 60.0

    @Option(help: "The longest pass in seconds; longer recordings are cut into windows that overlap.")
    var windowSeconds = WindowOptions().seconds

    @Option(help: "Seconds of audio that neighbouring windows share.")
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

/// Which model recognises.
struct CheckpointOptions: ParsableArguments {
    @Option(
        help: "The fine-tuned model: this program's or Hugging Face's folder, or a .pt file of fairseq or NVIDIA.",
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
    func recognizer(device: Device, decoding: DecodingOptions? = nil) throws -> Recognizer {
        try reading.recognizer(checkpoint, device: device, decoding: decoding)
    }
}

/// How a checkpoint is put to use: what it may not say itself, and how the model computes.
struct CheckpointReadingOptions: ParsableArguments {
    @Option(
        help: "A fairseq dictionary (dict.ltr.txt) in place of the labels that the checkpoint holds.",
        completion: .file())
    var dictionary: String?

    @Option(
        help: "A checkpoint of the same architecture, for a .pt file that does not say its own.", completion: .file())
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
    func recognizer(_ checkpoint: String, device: Device, decoding: DecodingOptions? = nil) throws -> Recognizer {
        let began = ContinuousClock.now
        let recognizer = try Recognizer(
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

/// What is recognised and by which model: or what a model has made of it already.
struct RecognitionSourceOptions: ParsableArguments {
    /// One or the other.
    enum Source {
        case model(checkpoint: String, manifest: String)
        case logits(String)
    }

    @Option(
        help: "The fine-tuned model: this program's or Hugging Face's folder, or a .pt file of fairseq or NVIDIA.",
        completion: .file())
    var checkpoint: String?

    @OptionGroup var reading: CheckpointReadingOptions

    @Option(
        help: "The recordings and what is said in them: a fairseq .tsv, JSON lines, or a folder.", completion: .file())
    var manifest: String?

    @Option(help: "The labels' extension beside a .tsv: ltr spells letters, of any other the symbols are words.")
    var labels = "ltr"

    @Option(
        help: "A folder of 'evaluate --save-logits', in place of a model and a manifest: only decoding is done.",
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
