import Foundation
import W2VAudio
import W2VBackbone
import W2VTorch
import W2VTraining

/// The report of `benchmark pretrain`, `finetune` and `inference`.
struct BenchmarkReport: Encodable {
    // Conversion to snake case turns this into the contract's key `median_s`.
    var task: String
    var shape: String
    var medianS: Double
    var minS: Double
    /// The duration of each timed step.
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
        // Steps on recordings differ.
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
          utilization  \(decimal(utilisation * 100, 1)) % of \(decimal(peakOperationsPerS / 1e9, 0)) GFLOP/s; \
        \(decimal(operations / 1e12, 2)) TFLOP a step
          memory       \(decimal(peakRssMb, 0)) MB at the peak\(onDevice)
          waiting      \(decimal(dataWaitShare * 100, 1)) % for data
        """ + (profile.map { "\n\n" + $0.text } ?? "")
    }
}
