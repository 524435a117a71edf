import ArgumentParser
import Foundation
import W2VBackbone
import W2VCorpus
import W2VTorch
import W2VTraining

/// The step that is timed.
enum BenchmarkedTask: String {
    case pretrain
    case finetune
    case inference
}

/// The batch of a benchmark's steps, and the encoder that processes it.
struct BenchmarkModelOptions: ParsableArguments {
    @Option(help: "Batch: 4x10 is four utterances of 10 s; 15,13,11.5 is one of each length.")
    var utterances = BenchmarkShape.standard

    @Option(help: "Hourglass encoder, such as \"[2,(8,4),2]\", or off.")
    var hourglass = "off"

    /// The BASE model, plain or with an Hourglass encoder.
    var configuration: ModelConfiguration {
        get throws {
            var configuration = ModelConfiguration()
            configuration.hourglass = try layout()
            return configuration
        }
    }

    func validate() throws { _ = try layout() }

    private func layout() throws -> HourglassLayout? {
        do {
            return hourglass == "off" ? nil : try HourglassLayout(parsing: hourglass)
        } catch {
            throw ValidationError("--\(error).")
        }
    }
}

/// The model, the batch and the device of a benchmark.
struct BenchmarkShapeOptions: ParsableArguments {
    @OptionGroup var model: BenchmarkModelOptions

    @Option(help: "Number of steps to time.")
    var repetitions = 5

    @OptionGroup var compute: ComputeOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    var utterances: BenchmarkShape { model.utterances }
    var hourglass: String { model.hourglass }
    var configuration: ModelConfiguration { get throws { try model.configuration } }

    func validate() throws {
        guard repetitions >= 1 else {
            throw ValidationError("--repetitions is \(repetitions); it must be at least 1.")
        }
    }
}

/// The options of training benchmarks.
struct TrainingBenchmarkOptions: ParsableArguments {
    @OptionGroup var shape: BenchmarkShapeOptions

    @OptionGroup var weights: BenchmarkWeightsOptions

    @Option(
        help: "Recordings to use instead of noise, in batches of at most the samples of --utterances.",
        completion: .file())
    var manifest: String?

    @OptionGroup var precision: PrecisionOptions

    @OptionGroup(title: "Profile") var profile: ProfileOptions

    func validate() throws {
        try precision.validateForTraining()
    }

    func run(
        _ task: BenchmarkedTask, subBatches: Int = 1, recorded: Bool = false,
        _ make: (BenchmarkedModel, BenchmarkAudio, Device, ModelPrecision.Mode) throws -> some BenchmarkTask
    ) throws {
        try shape.compute.apply(rehearses: task == .pretrain)
        let (device, samples) = (shape.compute.device, shape.utterances.samples)
        let model = try weights.model(shape)
        let transcripts = task == .finetune ? SyntheticTranscripts(labels: model.labelCount) : nil
        let audio =
            try manifest.map {
                try BenchmarkAudio(
                    Manifest.read(fileURL($0)), like: samples, transcripts: transcripts, crops: task == .pretrain,
                    normalizing: model.normalizes ? model.normalizeEpsilon : nil,
                    steps: shape.repetitions + BenchmarkShapeOptions.warmUps)
            } ?? BenchmarkAudio(noise: samples, subBatches: subBatches, transcripts: transcripts)
        let mode = precision.precision
        guard device != .meta else {
            return try Rehearsal.run {
                try shape.reportHostTime(
                    task, make(model, audio, device, mode), subBatches: subBatches, recorded: recorded, model: model,
                    precision: mode)
            }
        }
        try shape.report(
            task, make(model, audio, device, mode), profile, model: model, precision: mode)
    }
}
