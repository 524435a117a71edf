import ArgumentParser
import Audio
import Corpus
import Decoding
import Foundation
import Interchange
import Torch
import Training
import Wav2Vec2

/// `wav2vec2 benchmark`: how fast a BASE model trains and recognises here, and where the time goes.
struct BenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Time a BASE model, its kernels and the loading of audio.",
        discussion: """
            A training step is everything an update does: drawing masks and negatives, forward and backward pass with \
            the recipe's dropouts, clipping and Adam. Two steps warm up, until memory has been taken; then the median and the least of the \
            repetitions are given. The utilisation is the analytic number of operations over the time and over the \
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
        try options.run(.pretrain) { model, audio, device, precision in
            try PretrainingBenchmark(
                model, audio: audio, device: device, precision: precision, records: recordSteps)
        }
    }
}

/// `wav2vec2 benchmark finetune`.
struct FinetuneBenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "finetune", abstract: "Time a fine-tuning step.")
    @OptionGroup var options: TrainingBenchmarkOptions

    func run() throws {
        try options.run(.finetune) { model, audio, device, precision in
            try FinetuningBenchmark(model, audio: audio, device: device, precision: precision)
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
        let model = try subject.inferenceModel(labels: FinetuningBenchmark.labels, seed: 1)
        try move(model, to: compute.device)
        try model.convert(
            for: .inference, on: compute.device, precision: ModelPrecision(precision.precision))
        if let manifest = latency.manifest {
            let report = try latency.measure(
                model, normalizes: subject.normalizes, epsilon: subject.normalizeEpsilon,
                Manifest.read(fileURL(manifest)),
                device: compute.device)
            return try Console.output(shape.json ? try jsonLine(report) : report.text)
        }
        let audio = try BenchmarkAudio(noise: shape.utterances.samples, compute.device)
        try shape.report(
            .inference, InferenceBenchmark(model, audio: audio, oneByOne: oneByOne), profile,
            model: subject, precision: precision.precision)
    }
}

/// What is timed.
enum BenchmarkedTask: String {
    case pretrain
    case finetune
    case inference
}

/// The batch of a benchmark's steps, and the encoder that it goes through.
struct BenchmarkModelOptions: ParsableArguments {
    @Option(help: "The batch: 4x10 is four utterances of 10 s; 15,13,11.5 is one of each length.")
    var utterances = BenchmarkShape.standard

    @Option(help: "An Hourglass encoder such as \"[2,(8,4),2]\", or off.")
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

/// What a benchmark runs on.
struct BenchmarkShapeOptions: ParsableArguments {
    @OptionGroup var model: BenchmarkModelOptions

    @Option(help: "How many steps are timed.")
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

extension BenchmarkShapeOptions {
    /// Steps that come before those that are timed, until memory has been taken.
    static let warmUps = 2

    /// Times steps, and prints what was found.
    ///
    /// - Parameters:
    ///   - task: What is timed.
    ///   - benchmark: A model at work.
    ///   - profile: Whether a profile is wanted.
    ///   - model: Whose weights and encoder these are.
    ///   - precision: In which numbers the model computes.
    ///   - waited: How long steps have waited for batches so far, in seconds.
    /// - Throws: What the steps throw.
    func report(
        _ task: BenchmarkedTask, _ benchmark: some BenchmarkTask, _ profile: ProfileOptions,
        model: BenchmarkedModel, precision: ModelPrecision.Mode = .fp32, waited: () -> Double = { 0 }
    ) throws {
        let dtype = precision.productFormat(on: compute.device)
        var peak = try compute.device.matrixProductSpeed(dtype: dtype)
        for _ in 0..<Self.warmUps { _ = try benchmark.step(0) }
        var (times, counts, profiles): ([Double], [StepCounts], [Profile]) = ([], [], [])
        let waitedBefore = waited()
        for repetition in 1...repetitions {
            Console.progress("benchmark: step \(repetition) of \(repetitions)")
            let began = ContinuousClock.now
            if profile.profile {
                profiles.append(
                    try Profile.record(on: compute.device) { counts.append(try benchmark.step(repetition)) })
            } else {
                counts.append(try benchmark.step(repetition))
            }
            times.append((ContinuousClock.now - began) / .seconds(1))
        }
        let waiting = waited() - waitedBefore
        // Measured before and after: a machine that others use too is not always equally fast.
        peak = max(peak, try compute.device.matrixProductSpeed(dtype: dtype))
        let report = try BenchmarkReport(
            task, self, model: model, precision: precision, times: times, counts: counts, peak: peak,
            waiting: waiting,
            profile: try profile.report(of: profiles, task))
        try Console.output(json ? try jsonLine(report) : report.text)
    }
}

/// What the benchmarks of training take.
struct TrainingBenchmarkOptions: ParsableArguments {
    @OptionGroup var shape: BenchmarkShapeOptions

    @OptionGroup var weights: BenchmarkWeightsOptions

    @Option(
        help: "Recordings in place of noise, in batches of at most as many samples as --utterances has.",
        completion: .file())
    var manifest: String?

    @OptionGroup var precision: PrecisionOptions

    @OptionGroup(title: "Profile") var profile: ProfileOptions

    func validate() throws {
        try precision.validateForTraining()
    }

    func run(
        _ task: BenchmarkedTask,
        _ make: (BenchmarkedModel, BenchmarkAudio, Device, ModelPrecision) throws -> some BenchmarkTask
    ) throws {
        try shape.compute.apply()
        let (device, samples) = (shape.compute.device, shape.utterances.samples)
        let model = try weights.model(shape)
        let audio =
            try manifest.map {
                try BenchmarkAudio(
                    Manifest.read(fileURL($0)), like: samples, crops: task == .pretrain,
                    steps: shape.repetitions + BenchmarkShapeOptions.warmUps,
                    device)
            } ?? BenchmarkAudio(noise: samples, device)
        let mode = precision.precision
        try shape.report(
            task, make(model, audio, device, ModelPrecision(mode)), profile, model: model, precision: mode
        ) { audio.waitSeconds }
    }
}

/// What `benchmark` prints.
private struct BenchmarkReport: Encodable {
    // The contract's key is `median_s`; conversion to snake case makes it of this.
    var task: String
    var shape: String
    var medianS: Double
    var minS: Double
    /// Each of the timed steps.
    var stepS: [Double]
    var peakRssMb: Double
    var peakDeviceMb: Nullable<Double>
    var utilisation: Double
    var audioSPerS: Double
    var framesPerS: Double
    var maskedFramesPerS: Nullable<Double>
    var threads: Int
    var device: String
    var precision: String
    var hourglass: String
    var weights: String
    var repetitions: Int
    var operations: Double
    var peakOperationsPerS: Double
    var dataWaitShare: Double
    var profile: ProfileReport?

    init(
        _ task: BenchmarkedTask, _ command: BenchmarkShapeOptions, model: BenchmarkedModel,
        precision: ModelPrecision.Mode,
        times: [Double], counts: [StepCounts], peak: Double, waiting: Double, profile: ProfileReport?
    ) throws {
        let median = median(times)
        // Steps on recordings are not all alike.
        func mean(_ number: (StepCounts) -> Double) -> Double {
            counts.reduce(0) { $0 + number($1) } / Double(counts.count)
        }
        self.task = task.rawValue
        shape = command.utterances.text
        medianS = median
        minS = times.min() ?? median
        stepS = times
        peakRssMb = peakResidentMegabytes()
        peakDeviceMb = Nullable(try command.compute.device.peakMemory().map { Double($0) / 1_048_576 })
        operations = mean(\.operations)
        peakOperationsPerS = peak
        utilisation = operations / median / peak
        audioSPerS = mean { Double($0.samples) / Double(AudioFile.modelSampleRate) } / median
        framesPerS = mean { Double($0.frames) } / median
        let masks = counts.contains { $0.maskedFrames != nil }
        maskedFramesPerS = Nullable(masks ? mean { Double($0.maskedFrames ?? 0) } / median : nil)
        threads = LibTorch.threads
        device = command.compute.device.description
        self.precision = precision.rawValue
        hourglass = model.hourglass
        weights = model.weights
        repetitions = times.count
        dataWaitShare = waiting / times.reduce(0, +)
        self.profile = profile
    }

    private var onDevice: String { peakDeviceMb.value.map { ", \(decimal($0, 0)) MB on \(device)" } ?? "" }

    var text: String {
        """
        \(task), utterances \(shape), hourglass \(hourglass), \(precision) on \(device), \(threads) threads
          weights      \(weights)
          step         median \(decimal(medianS, 3)) s, least \(decimal(minS, 3)) s of \(repetitions)
          throughput   \(decimal(audioSPerS, 1)) s of audio, \(decimal(framesPerS, 0)) frames a second
          utilisation  \(decimal(utilisation * 100, 1)) % of \(decimal(peakOperationsPerS / 1e9, 0)) GFLOP/s; \
        \(decimal(operations / 1e12, 2)) TFLOP a step
          memory       \(decimal(peakRssMb, 0)) MB at the peak\(onDevice)
          waiting      \(decimal(dataWaitShare * 100, 1)) % for data
        """ + (profile.map { "\n\n" + $0.text } ?? "")
    }
}

/// The middle of some numbers; the mean of the two in the middle where their count is even.
func median(_ numbers: [Double]) -> Double {
    let sorted = numbers.sorted()
    guard !sorted.isEmpty else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

extension ModelPrecision.Mode {
    /// The format in which a device's peak is measured: the model's, unless a CPU's products in it are a makeshift.
    func productFormat(on device: Device) -> DType {
        isMakeshift(on: device) ? .float32 : dtype
    }
}
