import W2VBase
import W2VTorch

/// A random choice of frames to train clusters on, the same however recordings are batched.
public struct FrameSample: Sendable {
    private let share: Double
    private let seed: UInt64

    /// Chooses how many frames to take.
    ///
    /// - Parameters:
    ///   - wanted: About how many.
    ///   - total: How many there are.
    ///   - seed: The seed of the choice.
    public init(_ wanted: Int, of total: Int, seed: UInt64) {
        share = total > wanted ? Double(wanted) / Double(total) : 1
        self.seed = seed
    }

    /// Some of a recording's frames.
    ///
    /// - Parameters:
    ///   - frames: [frames, dimension].
    ///   - recording: The recording's number.
    /// - Returns: [chosen frames, dimension].
    /// - Throws: `TorchError.operation` if LibTorch refuses.
    public func callAsFunction(_ frames: Tensor, recording: Int) throws -> Tensor {
        guard share < 1 else { return frames }
        var stream = RandomStream(seed: seed, purpose: .clustering, index: recording)
        let chosen = (0..<frames.size(0)).filter { _ in stream.uniform() < share }
        return try frames.taking(Tensor(chosen))
    }
}
