import ArgumentParser
import Foundation
import Torch
import Wav2Vec2

/// `wav2vec2 benchmark`: how fast a BASE model trains and recognises here.
struct BenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Time a BASE model on synthetic audio.",
        discussion: """
            A training step is everything an update does: drawing masks and negatives, forward and backward pass with \
            the recipe's dropouts, clipping and Adam. One step warms up; then the median and the least of the \
            repetitions are given. The utilisation is the analytic number of operations over the time and over the \
            speed of a large matrix product in the same run.

            Examples:
              wav2vec2 benchmark pretrain
              wav2vec2 benchmark finetune --utterances 15,13,11.5,9.5,8,6,4.5,3
              wav2vec2 benchmark inference --hourglass "[2,(8,4),2]" --json
              wav2vec2 benchmark scaling --processes 1,2 --model
            """,
        subcommands: [
            PretrainBenchmarkCommand.self, FinetuneBenchmarkCommand.self, InferenceBenchmarkCommand.self,
            ScalingCommand.self, DecodingBenchmarkCommand.self,
        ])
}

/// `wav2vec2 benchmark pretrain`.
struct PretrainBenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "pretrain", abstract: "Time a pre-training step.")
    @OptionGroup var options: BenchmarkOptions

    func run() throws { try options.run(.pretrain) }
}

/// `wav2vec2 benchmark finetune`.
struct FinetuneBenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "finetune", abstract: "Time a fine-tuning step.")
    @OptionGroup var options: BenchmarkOptions

    func run() throws { try options.run(.finetune) }
}

/// `wav2vec2 benchmark inference`.
struct InferenceBenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inference", abstract: "Time a forward pass to log-probabilities.")
    @OptionGroup var options: BenchmarkOptions

    func run() throws { try options.run(.inference) }
}

/// What is timed.
enum BenchmarkedTask: String {
    case pretrain
    case finetune
    case inference
}

/// What a benchmark runs on.
struct BenchmarkShapeOptions: ParsableArguments {
    @Option(help: "The batch: 4x10 is four utterances of 10 s; 15,13,11.5 is one of each length.")
    var utterances = BenchmarkShape.standard

    @Option(help: "An Hourglass encoder such as \"[2,(8,4),2]\", or off.")
    var hourglass = "off"

    @Option(help: "How many steps are timed.")
    var repetitions = 5

    @OptionGroup var compute: ComputeOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    /// The BASE model, plain or with an Hourglass encoder.
    var configuration: ModelConfiguration {
        get throws {
            var configuration = ModelConfiguration()
            configuration.hourglass = try layout()
            return configuration
        }
    }

    func validate() throws {
        guard repetitions >= 1 else {
            throw ValidationError("--repetitions is \(repetitions); it must be at least 1.")
        }
        _ = try layout()
    }

    private func layout() throws -> HourglassLayout? {
        do {
            return hourglass == "off" ? nil : try HourglassLayout(parsing: hourglass)
        } catch {
            throw ValidationError("--\(error).")
        }
    }

}

/// What the benchmarks of one process take.
struct BenchmarkOptions: ParsableArguments {
    @OptionGroup var shape: BenchmarkShapeOptions

    func run(_ task: BenchmarkedTask) throws {
        let (compute, repetitions) = (shape.compute, shape.repetitions)
        try compute.apply()
        // As the commands that train do.
        if task != .inference { LibTorch.reuseHostMemory() }
        let configuration = try shape.configuration
        let samples = shape.utterances.samples
        let benchmark: any BenchmarkTask =
            switch task {
            case .pretrain: try PretrainingBenchmark(configuration, samples: samples, device: compute.device)
            case .finetune: try FinetuningBenchmark(configuration, samples: samples, device: compute.device)
            case .inference: try InferenceBenchmark(configuration, samples: samples, device: compute.device)
            }
        var peak = try compute.device.matrixProductSpeed()
        try benchmark.step(0)
        var times: [Double] = []
        for repetition in 1...repetitions {
            Console.progress("benchmark: step \(repetition) of \(repetitions)")
            let began = ContinuousClock.now
            try benchmark.step(repetition)
            times.append((ContinuousClock.now - began) / .seconds(1))
        }
        // Measured before and after: a machine that others use too is not always equally fast.
        peak = max(peak, try compute.device.matrixProductSpeed())
        let report = BenchmarkReport(
            task, shape, benchmark, times: times, peak: peak,
            frames: samples.reduce(0) { $0 + configuration.convFeatureLayers.frames(samples: $1) })
        Console.output(shape.json ? try jsonLine(report) : report.text)
    }
}

/// What `benchmark` prints.
private struct BenchmarkReport: Encodable {
    // The contract's key is `median_s`; conversion to snake case makes it of this.
    var task: String
    var shape: String
    var medianS: Double
    var minS: Double
    var peakRssMb: Double
    var utilisation: Double
    var audioSPerS: Double
    var framesPerS: Double
    var maskedFramesPerS: Nullable<Double>
    var threads: Int
    var device: String
    var precision = "fp32"
    var hourglass: String
    var repetitions: Int
    var operations: Double
    var peakOperationsPerS: Double

    init(
        _ task: BenchmarkedTask, _ command: BenchmarkShapeOptions, _ benchmark: any BenchmarkTask, times: [Double],
        peak: Double, frames: Int
    ) {
        let median = median(times)
        self.task = task.rawValue
        shape = command.utterances.text
        medianS = median
        minS = times.min() ?? median
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        peakRssMb = Double(usage.ru_maxrss) / 1024
        operations = benchmark.operations
        peakOperationsPerS = peak
        utilisation = benchmark.operations / median / peak
        audioSPerS = command.utterances.seconds.reduce(0, +) / median
        framesPerS = Double(frames) / median
        maskedFramesPerS = Nullable(benchmark.maskedFrames.map { Double($0) / median })
        threads = LibTorch.threads
        device = command.compute.device.description
        hourglass = command.hourglass
        repetitions = times.count
    }

    var text: String {
        """
        \(task), utterances \(shape), hourglass \(hourglass), \(precision) on \(device), \(threads) threads
          step         median \(decimal(medianS, 3)) s, least \(decimal(minS, 3)) s of \(repetitions)
          throughput   \(decimal(audioSPerS, 1)) s of audio, \(decimal(framesPerS, 0)) frames a second
          utilisation  \(decimal(utilisation * 100, 1)) % of \(decimal(peakOperationsPerS / 1e9, 0)) GFLOP/s; \
        \(decimal(operations / 1e12, 2)) TFLOP a step
          memory       \(decimal(peakRssMb, 0)) MB at the peak
        """
    }
}

/// The middle of some numbers; the mean of the two in the middle where their count is even.
func median(_ numbers: [Double]) -> Double {
    let sorted = numbers.sorted()
    guard !sorted.isEmpty else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
