import ArgumentParser
import Foundation
import W2VAudio
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VInterchange
import W2VTorch
import W2VTraining

/// `wav2vec2 benchmark`: the speed of training and recognition with a BASE model on this machine, by stage.
struct BenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Time a BASE model, its kernels, and the loading of audio.",
        discussion: """
            A training step is one of the trainer's own updates, on noise or recordings: drawing masks and negatives, \
            the forward and backward pass with the dropouts of the recipe base or finetune-base-100h, clipping, and \
            Adam. After two warm-up steps, the median and the minimum of the repetitions are reported. Utilization is \
            the model's analytic number of operations, divided by the time and by the speed of a large matrix product \
            in the same run. --profile breaks the time of a step down by stage.

            Examples:
              wav2vec2 benchmark pretrain --profile
              wav2vec2 benchmark finetune --utterances 15,13,11.5,9.5,8,6,4.5,3
              wav2vec2 benchmark inference --hourglass "[2,(8,4),2]" --json
              wav2vec2 benchmark inference --manifest test.tsv --checkpoint best
              wav2vec2 benchmark pretrain --checkpoint pretrained/best --utterances 8x4
              wav2vec2 benchmark data --manifest train.tsv
              wav2vec2 benchmark kernels
              wav2vec2 benchmark scaling --processes 1,2 --model
            """,
        subcommands: [
            PretrainBenchmarkCommand.self, FinetuneBenchmarkCommand.self, InferenceBenchmarkCommand.self,
            DataBenchmarkCommand.self, KernelsBenchmarkCommand.self, ScalingCommand.self, DecodingBenchmarkCommand.self,
        ])
}

/// `wav2vec2 benchmark pretrain`.
struct PretrainBenchmarkCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "pretrain", abstract: "Time a pre-training step.",
        discussion: """
            --device meta needs no GPU and computes nothing: it tells how long the host takes to issue a step to a GPU, \
            without the driver's part, and how many operators and kernels that is.

            Examples:
              wav2vec2 benchmark pretrain --utterances 8x15
              wav2vec2 benchmark pretrain --utterances 40x15.6 --sub-batches 8 \\
                --device meta --precision bf16
            """)
    @OptionGroup var options: TrainingBenchmarkOptions

    @Flag(
        help:
            "Record forward and backward passes (as a CUDA graph on a GPU), with a fixed number of masked frames."
    )
    var recordSteps = false

    @Option(help: "Number of sub-batches that the utterances make up, as in a recipe's micro-batch.")
    var subBatches = 1

    @OptionGroup var logging: LogOptions

    func validate() throws {
        let count = options.shape.utterances.samples.count
        guard subBatches >= 1, count % subBatches == 0 else {
            throw ValidationError(
                "--sub-batches is \(subBatches); it must divide the number of utterances, which is \(count).")
        }
        if options.manifest != nil, subBatches > 1 {
            throw ValidationError("--sub-batches goes with --utterances, not with --manifest.")
        }
    }

    func run() throws {
        try options.run(.pretrain, subBatches: subBatches, recorded: recordSteps) { model, audio, device, mode in
            try model.pretrainingBenchmark(
                on: audio, device: device, precision: mode, recordsSteps: recordSteps, subBatches: subBatches)
        }
    }
}

/// `wav2vec2 benchmark finetune`.
struct FinetuneBenchmarkCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(commandName: "finetune", abstract: "Time a fine-tuning step.")
    @OptionGroup var options: TrainingBenchmarkOptions

    @OptionGroup var logging: LogOptions

    func run() throws {
        try options.run(.finetune) { model, audio, device, mode in
            try model.finetuningBenchmark(on: audio, device: device, precision: mode)
        }
    }
}

/// `wav2vec2 benchmark inference`.
struct InferenceBenchmarkCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "inference", abstract: "Time a forward pass to log-probabilities.",
        discussion: """
            With --manifest, each batch of recordings is decoded and run through the model, and its labels are read \
            back. The latencies of data, network and both are reported for each batch size, as in NVIDIA's tables.

            Examples:
              wav2vec2 benchmark inference --utterances 1x6.54
              wav2vec2 benchmark inference --manifest test.tsv --batch-sizes 1,4,8,16
            """)

    @OptionGroup var shape: BenchmarkShapeOptions

    @OptionGroup var weights: BenchmarkWeightsOptions

    @OptionGroup var precision: PrecisionOptions

    @Flag(help: "Run the model on one of --utterances at a time.")
    var oneByOne = false

    @OptionGroup(title: "Latency") var latency: LatencyOptions

    @OptionGroup(title: "Profile") var profile: ProfileOptions

    @OptionGroup var logging: LogOptions

    func validate() throws {
        guard latency.manifest != nil else { return }
        if profile.profile { throw ValidationError("--profile goes with --utterances, not with --manifest.") }
        if oneByOne {
            throw ValidationError("--one-by-one goes with --utterances; with --manifest take --batch-sizes 1.")
        }
    }

    func run() throws {
        let compute = shape.compute
        try compute.apply()
        let subject = try weights.model(shape)
        let model = try subject.inferenceModel(seed: 1)
        try model.move(to: compute.device)
        try model.convert(for: .inference, on: compute.device, precision: ModelPrecision(precision.precision))
        if let manifest = latency.manifest {
            let report = try latency.measure(
                model, normalizes: subject.normalizes, epsilon: subject.normalizeEpsilon,
                Manifest.read(fileURL(manifest)),
                device: compute.device)
            return try Console.output(shape.json ? try jsonLine(report) : report.text)
        }
        let benchmark = try InferenceBenchmark(
            model, samples: shape.utterances.samples, on: compute.device, oneByOne: oneByOne)
        try shape.report(
            .inference, benchmark, profile,
            model: subject, precision: precision.precision)
    }
}
