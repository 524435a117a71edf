/// A model that works step by step.
protocol BenchmarkTask {
    /// Makes the next step, and returns when the device has completed it.
    func step() throws -> StepCounts
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
