import W2VBase
import W2VTorch

/// A random sample of frames to train clusters on, independent of the batching of recordings.
public struct FrameSample: Sendable {
    private let share: Double
    private let seed: UInt64

    /// Makes a sample of a given size.
    ///
    /// - Parameters:
    ///   - wanted: The approximate number of frames to choose.
    ///   - total: The total number of frames.
    ///   - seed: The seed of the choice.
    public init(_ wanted: Int, of total: Int, seed: UInt64) {
        share = total > wanted ? Double(wanted) / Double(total) : 1
        self.seed = seed
    }

    /// Returns the chosen frames of a recording.
    ///
    /// - Parameters:
    ///   - frames: [frames, dimension].
    ///   - recording: The recording's number.
    /// - Returns: [chosen frames, dimension].
    public func callAsFunction(_ frames: Tensor, recording: Int) throws -> Tensor {
        guard share < 1 else { return frames }
        var stream = RandomStream(seed: seed, purpose: .clustering, index: recording)
        let chosen = (0..<frames.size(0)).filter { _ in stream.uniform() < share }
        return try frames.taking(Tensor(chosen))
    }
}
