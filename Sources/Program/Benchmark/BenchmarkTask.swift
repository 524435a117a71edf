/// A model at work, one step at a time.
protocol BenchmarkTask {
    /// Makes the next step, and returns when the device has done it.
    func step() throws -> StepCounts
}

/// The counts of a step.
struct StepCounts {
    var samples: Int
    var frames: Int
    /// `nil` where nothing is masked.
    var maskedFrames: Int?
    /// Floating-point operations, counted analytically.
    var operations: Double
}
