import ArgumentParser
import Foundation
import W2VAudio
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VInterchange
import W2VTorch
import W2VTraining

/// `wav2vec2 benchmark`: how fast a BASE model trains and recognises here, and where the time goes.
struct BenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Time a BASE model, its kernels and the loading of audio.",
        discussion: """
            A training step is an update of the trainer itself, on noise or recordings: drawing masks and negatives, \
            forward and backward pass with the dropouts of the recipe base or finetune-base-100h, clipping and Adam. Two \
            steps warm up, until memory has been taken; then the median and the least of the repetitions are given. The utilisation is the analytic number of operations over the time and over the \
            speed of a large matrix product in the same run. --profile sorts a step's time by stage.

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
struct PretrainBenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "pretrain", abstract: "Time a pre-training step.")
    @OptionGroup var options: TrainingBenchmarkOptions

    @Flag(help: "Record forward and backward passes, on a GPU as a CUDA graph; masks count multiples of 16 frames.")
    var recordSteps = false

    func run() throws {
        try options.run(.pretrain) { model, audio, device, mode in
            try model.pretrainingBenchmark(on: audio, device: device, precision: mode, recordsSteps: recordSteps)
        }
    }
}

/// `wav2vec2 benchmark finetune`.
struct FinetuneBenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "finetune", abstract: "Time a fine-tuning step.")
    @OptionGroup var options: TrainingBenchmarkOptions

    func run() throws {
        try options.run(.finetune) { model, audio, device, mode in
            try model.finetuningBenchmark(on: audio, device: device, precision: mode)
        }
    }
}

/// `wav2vec2 benchmark inference`.
struct InferenceBenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inference", abstract: "Time a forward pass to log-probabilities.",
        discussion: """
            With --manifest every batch of recordings is decoded, goes through the model, and its labels come back; the \
            latencies of data, network and both are given for each number of recordings in a batch, as in NVIDIA's \
            tables.

            Examples:
              wav2vec2 benchmark inference --utterances 1x6.54
              wav2vec2 benchmark inference --manifest test.tsv --batch-sizes 1,4,8,16
            """)

    @OptionGroup var shape: BenchmarkShapeOptions

    @OptionGroup var weights: BenchmarkWeightsOptions

    @OptionGroup var precision: PrecisionOptions

    @Flag(help: "Let each of --utterances go through the model by itself.")
    var oneByOne = false

    @OptionGroup(title: "Latency") var latency: LatencyOptions

    @OptionGroup(title: "Profile") var profile: ProfileOptions

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
