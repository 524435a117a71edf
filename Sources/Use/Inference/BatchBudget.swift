import W2VAudio

/// A limit on the audio and the number of recordings of one batch; a batch always holds at least one recording.
public struct BatchBudget: Sendable {
    private let samples: Int
    private let count: Int
    private var used = (samples: 0, count: 0)

    /// Makes a limit.
    ///
    /// - Parameters:
    ///   - seconds: The most audio, in seconds.
    ///   - count: The most recordings.
    public init(seconds: Double, count: Int = .max) {
        // The cap is longer than any recording, and far from overflow.
        samples = Int(max(0, min(seconds * Double(AudioFile.modelSampleRate), 1e15)))
        self.count = count
    }

    /// Adds one more recording, unless it exceeds the limit.
    ///
    /// - Parameter length: The recording's samples at 16 kHz.
    /// - Returns: Whether it was added.
    public mutating func take(_ length: Int) -> Bool {
        guard used.count == 0 || (used.count < count && used.samples + length <= samples) else { return false }
        used = (used.samples + length, used.count + 1)
        return true
    }
}
