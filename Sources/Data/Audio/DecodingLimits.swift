/// What decoding one recording may cost, so that neither a damaged nor a hostile file takes more.
///
/// A few hundred bytes can announce hours of audio, and terabytes of samples.
public struct DecodingLimits: Sendable {
    /// The longest recording in seconds; a longer one is `AudioError.tooLong`.
    public var seconds: Double
    /// The most bytes of decoded audio that ffmpeg may write to the temporary folder; more are `AudioError.tooLarge`.
    ///
    /// Samples take four bytes each, at the recording's own rate and of all its channels.
    public var temporaryBytes: Int
    /// The most time that ffmpeg may take for a recording; more is `AudioError.tooSlow`.
    public var time: Duration
    /// Whether nobody wants the result any more, which ends decoding with `AudioError.cancelled`.
    ///
    /// Asked on the thread that decodes, at least ten times a second; answers at once.
    public var isCancelled: @Sendable () -> Bool

    /// Sets limits; those that are left out suit a user's own recordings.
    ///
    /// - Parameters:
    ///   - seconds: The longest recording in seconds.
    ///   - temporaryBytes: The most bytes of decoded audio in the temporary folder; 32 GiB are a day of stereo at 48 kHz.
    ///   - time: The most time for ffmpeg.
    ///   - isCancelled: Whether nobody wants the result any more; by default, whether the current task is cancelled.
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
