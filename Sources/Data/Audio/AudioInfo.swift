/// The header of a recording.
public struct AudioInfo: Equatable, Sendable {
    /// Samples per channel, at the file's own rate.
    public var frames: Int
    /// Samples per second and channel.
    public var sampleRate: Int
    /// The number of channels interleaved in the file.
    public var channels: Int
    /// The container's name, as in "FLAC" or "WAV".
    public var format: String

    /// The duration of the recording, in seconds.
    public var duration: Double { Double(frames) / Double(sampleRate) }

    /// Returns the number of samples after resampling to another rate, rounded to the nearest.
    ///
    /// - Parameter rate: Samples per second.
    public func sampleCount(at rate: Int) -> Int {
        rate == sampleRate ? frames : (frames * rate + sampleRate / 2) / sampleRate
    }
}
