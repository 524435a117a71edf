/// Limits on the cost of decoding one recording, for damaged and hostile files.
///
/// A few hundred bytes can announce hours of audio, and terabytes of samples.
public struct DecodingLimits: Sendable {
    /// The maximum duration of a recording in seconds; a longer one is `AudioError.tooLong`.
    public var seconds: Double
    /// The maximum bytes of decoded audio that ffmpeg may write to the temporary folder; more are
    /// `AudioError.tooLarge`.
    ///
    /// Samples take four bytes each, at the recording's own rate and for all its channels.
    public var temporaryBytes: Int
    /// The maximum time that ffmpeg may take for a recording; more is `AudioError.tooSlow`.
    public var time: Duration
    /// Returns whether the result is no longer wanted, which ends decoding with `AudioError.cancelled`.
    ///
    /// It is called on the decoding thread, at least ten times per second, and must return at once.
    public var isCancelled: @Sendable () -> Bool

    /// Makes limits; the defaults suit a user's own recordings.
    ///
    /// - Parameters:
    ///   - seconds: The maximum duration of a recording in seconds.
    ///   - temporaryBytes: The maximum bytes of decoded audio in the temporary folder; 32 GiB are a day of stereo at 48
    ///     kHz.
    ///   - time: The maximum time for ffmpeg.
    ///   - isCancelled: Returns whether the result is no longer wanted; by default, whether the current task is
    ///     cancelled.
    public init(
        seconds: Double = .infinity, temporaryBytes: Int = 32 << 30, time: Duration = .seconds(3600),
        isCancelled: @escaping @Sendable () -> Bool = { Task.isCancelled }
    ) {
        self.seconds = seconds
        self.temporaryBytes = temporaryBytes
        self.time = time
        self.isCancelled = isCancelled
    }
}
