import Foundation
import W2VBackbone
import W2VBase
import W2VKernels
import W2VTorch

extension BenchmarkShapeOptions {
    /// The steps before those that are timed, until memory has been taken.
    static let warmUps = 2

    /// Times steps, and prints the report.
    ///
    /// - Parameters:
    ///   - task: The kind of step.
    ///   - benchmark: A model at work.
    ///   - profile: Whether a profile is wanted.
    ///   - model: The model, for its weights and its encoder.
    ///   - precision: The number format that the model computes in.
    ///   - waited: The seconds that steps have waited for batches so far.
    /// - Throws: What the steps throw.
    func report(
        _ task: BenchmarkedTask, _ benchmark: some BenchmarkTask, _ profile: ProfileOptions,
        model: BenchmarkedModel, precision: ModelPrecision.Mode = .fp32, waited: () -> Double = { 0 }
    ) throws {
        let dtype = precision.productFormat(on: compute.device)
        var peak = try compute.device.matrixProductSpeed(dtype: dtype)
        for _ in 0..<Self.warmUps { _ = try benchmark.step() }
        var (times, counts, profiles): ([Double], [StepCounts], [Profile]) = ([], [], [])
        let waitedBefore = waited()
        for repetition in 1...repetitions {
            Console.progress("benchmark: step \(repetition) of \(repetitions)")
            let began = ContinuousClock.now
            if profile.profile {
                profiles.append(
                    try Profile.record(on: compute.device) { counts.append(try benchmark.step()) })
            } else {
                counts.append(try benchmark.step())
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
