import W2VAudio

/// A limit on what goes together: so much audio and so many recordings, but one in any case.
public struct BatchBudget: Sendable {
    private let samples: Int
    private let count: Int
    private var used = (samples: 0, count: 0)

    /// Makes a limit.
    ///
    /// - Parameters:
    ///   - seconds: The most audio.
    ///   - count: The most recordings.
    public init(seconds: Double, count: Int = .max) {
        // A number of samples that is far beyond any recording, and far from overflow.
        samples = Int(max(0, min(seconds * Double(AudioFile.modelSampleRate), 1e15)))
        self.count = count
    }

    /// Takes one more, unless it goes beyond the limit.
    ///
    /// - Parameter length: Its samples at 16 kHz.
    /// - Returns: Whether it was taken.
    public mutating func take(_ length: Int) -> Bool {
        guard used.count == 0 || (used.count < count && used.samples + length <= samples) else { return false }
        used = (used.samples + length, used.count + 1)
        return true
    }
}
