import Foundation
import W2VBackbone
import W2VBase
import W2VTorch
import W2VTraining

/// The report of `benchmark pretrain --device meta`: what a training step costs the host, without a GPU.
struct HostTimeReport: Encodable {
    var task: String
    var shape: String
    var subBatches: Int
    /// The processor time of the thread that issues a step, without ``drawsS``: the median.
    var hostS: Double
    var minHostS: Double
    /// That of each timed step.
    var hostStepS: [Double]
    /// Its processor time for a batch, its masks and negatives; 0 where another thread prepares them.
    var drawsS: Double
    /// The duration of a step.
    var medianS: Double
    var minS: Double
    /// Number of LibTorch's operators in a step, including those that operators call.
    var operators: Int
    /// Number of kernels of our own in a step; a replayed recording is one.
    var kernels: Int
    var recorded: Bool
    var threads: Int
    var device: String
    var precision: String
    var hourglass: String
    var weights: String
    var repetitions: Int

    var text: String {
        """
        \(task), utterances \(shape) in \(subBatches == 1 ? "1 sub-batch" : "\(subBatches) sub-batches"), \
        hourglass \(hourglass), \(precision) on \(device), \(threads) threads\(recorded ? ", recorded" : "")
          weights      \(weights)
          host         median \(decimal(hostS * 1000, 2)) ms, least \(decimal(minHostS * 1000, 2)) ms of \(repetitions)
          besides      \(decimal(drawsS * 1000, 2)) ms for the batch, its masks and negatives
          step         median \(decimal(medianS * 1000, 2)) ms
          calls        \(operators) operators of LibTorch, \(kernels) kernels
        """
    }
}

extension BenchmarkShapeOptions {
    /// Times the host's part of steps on the meta device, and prints the report.
    ///
    /// - Parameters:
    ///   - task: The kind of step.
    ///   - benchmark: The running model.
    ///   - subBatches: Number of sub-batches in the micro-batch.
    ///   - recorded: Whether passes are recorded.
    ///   - model: The model, for the report of its weights and encoder.
    ///   - precision: The model's number format.
    /// - Throws: An error of a step.
    func reportHostTime(
        _ task: BenchmarkedTask, _ benchmark: some BenchmarkTask, subBatches: Int, recorded: Bool,
        model: BenchmarkedModel, precision: ModelPrecision.Mode
    ) throws {
        for _ in 0..<Self.warmUps { _ = try benchmark.step() }
        var (host, draws, whole): ([Double], [Double], [Double]) = ([], [], [])
        for repetition in 1...repetitions {
            Console.progress("benchmark: step \(repetition) of \(repetitions)")
            let (began, cpu) = (ContinuousClock.now, threadSeconds())
            let profile = try Profile.record(
                on: compute.device, clock: { threadSeconds() - cpu }, stagesOnly: true
            ) { _ = try benchmark.step() }
            let own = [Profile.Stage.dataWait, .draws].reduce(0) { $0 + (profile.times[$1]?.total ?? 0) }
            host.append(threadSeconds() - cpu - own)
            draws.append(own)
            whole.append((ContinuousClock.now - began) / .seconds(1))
        }
        let calls = try Rehearsal.calls { _ = try benchmark.step() }
        let report = HostTimeReport(
            task: task.rawValue, shape: utterances.text, subBatches: subBatches, hostS: median(host),
            minHostS: host.min() ?? 0, hostStepS: host, drawsS: median(draws), medianS: median(whole),
            minS: whole.min() ?? 0,
            operators: calls.operators, kernels: calls.kernels, recorded: recorded, threads: LibTorch.threads,
            device: compute.device.description, precision: precision.rawValue, hourglass: model.hourglass,
            weights: model.weights, repetitions: repetitions)
        try Console.output(json ? try jsonLine(report) : report.text)
    }
}

/// Returns the processor time of the calling thread so far, in seconds.
private func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
