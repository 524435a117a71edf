/// A model that works step by step.
protocol BenchmarkTask {
    /// Makes the next step, and returns when the device has completed it.
    func step() throws -> StepCounts

    /// Total time that steps have waited for batches, in seconds.
    var waitSeconds: Double { get }
}

extension BenchmarkTask {
    /// 0: nothing is waited for.
    var waitSeconds: Double { 0 }
}

/// The amounts of work in a step.
struct StepCounts {
    var samples: Int
    var frames: Int
    /// `nil` without masking.
    var maskedFrames: Int?
    /// Floating-point operations, counted analytically.
    var operations: Double
}
