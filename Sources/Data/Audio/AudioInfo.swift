/// What a recording's header says.
public struct AudioInfo: Equatable, Sendable {
    /// Samples per channel, at the file's own rate.
    public var frames: Int
    /// Samples per second and channel.
    public var sampleRate: Int
    /// How many channels lie interleaved in the file.
    public var channels: Int
    /// The container's name, as in "FLAC" or "WAV".
    public var format: String

    /// How many seconds the recording lasts.
    public var duration: Double { Double(frames) / Double(sampleRate) }

    /// How many samples the recording has after resampling to another rate, rounded to the nearest.
    ///
    /// - Parameter rate: Samples per second.
    /// - Returns: Samples per channel at that rate.
    public func sampleCount(at rate: Int) -> Int {
        rate == sampleRate ? frames : (frames * rate + sampleRate / 2) / sampleRate
    }
}
