import Foundation
import W2VBackbone
import W2VBase
import W2VKernels
import W2VTorch

extension BenchmarkShapeOptions {
    /// Number of untimed steps before the timed ones, until memory has been allocated.
    static let warmUps = 2

    /// Times steps, and prints the report.
    ///
    /// - Parameters:
    ///   - task: The kind of step.
    ///   - benchmark: The running model.
    ///   - profile: The profiling options.
    ///   - model: The model, for the report of its weights and encoder.
    ///   - precision: The model's number format.
    /// - Throws: An error of a step.
    func report(
        _ task: BenchmarkedTask, _ benchmark: some BenchmarkTask, _ profile: ProfileOptions,
        model: BenchmarkedModel, precision: ModelPrecision.Mode = .fp32
    ) throws {
        let dtype = precision.productFormat(on: compute.device)
        var peak = try compute.device.matrixProductSpeed(dtype: dtype)
        for _ in 0..<Self.warmUps { _ = try benchmark.step() }
        var (times, counts, profiles): ([Double], [StepCounts], [Profile]) = ([], [], [])
        let waitedBefore = benchmark.waitSeconds
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
        let waiting = benchmark.waitSeconds - waitedBefore
        // Stages wait for the device, so kernels are seen in a step of their own.
        var kernels: [DeviceActivity]?
        if profile.profile, compute.device != .cpu {
            kernels = try DeviceActivity.record(on: compute.device) { _ = try benchmark.step() }
        }
        // Measured before and after, because a shared machine's speed varies.
        peak = max(peak, try compute.device.matrixProductSpeed(dtype: dtype))
        let report = try BenchmarkReport(
            task, self, model: model, precision: precision, times: times, counts: counts, peak: peak,
            waiting: waiting,
            profile: try profile.report(of: profiles, kernels: kernels, task))
        try Console.output(json ? try jsonLine(report) : report.text)
    }
}

/// Returns the median; the mean of the two middle numbers if their count is even.
func median(_ numbers: [Double]) -> Double {
    let sorted = numbers.sorted()
    guard !sorted.isEmpty else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

extension ModelPrecision.Mode {
    /// Returns the format for measuring a device's peak: the model's, unless a CPU only emulates it.
    func productFormat(on device: Device) -> DType {
        isMakeshift(on: device) ? .float32 : dtype
    }
}
