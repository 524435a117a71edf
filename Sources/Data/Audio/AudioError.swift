import W2VBase

/// An error of a recording.
public enum AudioError: ExplainedError, Equatable {
    /// The file does not exist.
    case notFound(file: String)
    /// The file exists but cannot be read; `reason` is the operating system's.
    case unreadable(file: String, reason: String)
    /// Neither libsndfile nor, if consulted, ffmpeg knows the format.
    case unknownFormat(file: String, reason: String)
    /// Fewer frames (per channel, at the file's own rate) could be decoded than the header promises.
    case truncated(file: String, expected: Int, found: Int)
    /// The decoder encountered invalid bytes.
    case damaged(file: String, reason: String)
    /// The file holds no samples.
    case empty(file: String)
    /// A sample is NaN or infinite; `position` counts samples of the mixed-down signal.
    case nonFinite(file: String, position: Int)
    /// Samples far exceed full scale, which the output format cannot represent; `peak` is a multiple of full scale.
    case tooLoud(file: String, peak: Float, format: String)
    /// The requested frames start after the recording's end; counts are at the requested rate.
    case outOfRange(file: String, start: Int, count: Int)
    /// The sampling rates cannot be converted into each other.
    case cannotResample(file: String, reason: String)
    /// The file lists other files, which are not read.
    case playlist(file: String)
    /// The recording is longer than `DecodingLimits.seconds` allow.
    case tooLong(file: String, limit: Double)
    /// The decoded recording takes more space than `DecodingLimits.temporaryBytes` allow.
    case tooLarge(file: String, limit: Int)
    /// Decoding took longer than `DecodingLimits.time` allows.
    case tooSlow(file: String, limit: Duration)
    /// Decoding was stopped because the result is no longer needed.
    case cancelled(file: String)
    /// This machine could not decode the recording, which may be valid: there was no space for temporary files, for
    /// example.
    case failed(file: String, reason: String)
    /// The file could not be written.
    case unwritable(file: String, reason: String)

    /// Failure if this machine is at fault, for example with a full disk; otherwise input.
    public var kind: ErrorKind {
        switch self {
        case .failed, .cancelled, .unwritable: .failure
        default: .input
        }
    }

    /// The problem with the file, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .notFound(let file) where file.contains("\u{FFFD}"):
            Explanation(
                "\(file): there is no such audio file, and a name that is not UTF-8 (\u{FFFD} stands for other bytes) cannot "
                    + "be read here", "give the file another name")
        case .notFound(let file):
            Explanation(
                "\(file): there is no such audio file",
                "check the path and, if it comes from a manifest, the folder that the manifest names")
        case .unreadable(let file, let reason):
            Explanation("\(file): the audio file cannot be read (\(reason))", "check its permissions and its disk")
        case .unknownFormat(let file, let reason):
            Explanation(
                "\(file): the audio format is not one that can be read here (WAV, FLAC, Ogg, Opus and MP3 always can; "
                    + "\(reason))")
        case .truncated(let file, let expected, let found):
            Explanation(
                "\(file): the header promises \(expected) frames but only \(found) could be decoded, so the file is cut "
                    + "off or damaged", "fetch it again or leave it out")
        case .damaged(let file, let reason):
            Explanation("\(file): the audio is damaged (\(reason))", "fetch it again or leave it out")
        case .empty(let file):
            Explanation("\(file): the audio file holds no samples", "leave it out")
        case .nonFinite(let file, let position):
            Explanation(
                "\(file): sample \(position) is not a finite number (NaN or infinity)",
                "repair the file or leave it out")
        case .tooLoud(let file, let peak, let format):
            Explanation(
                "\(file): samples reach \(peak) times full scale, and \(format) would clip them",
                "scale the recording to at most 1, or write wavFloat")
        case .outOfRange(let file, let start, let count):
            Explanation(
                "\(file): frames from \(start) were asked for, but the recording has only \(count)", "check the offset")
        case .cannotResample(let file, let reason):
            Explanation("\(file): the sampling rate cannot be converted (\(reason))")
        case .playlist(let file):
            Explanation(
                "\(file): this is a playlist, which names other files and is not read", "give the recordings themselves"
            )
        case .tooLong(let file, let limit):
            Explanation("\(file): the recording is longer than \(limit) s, the most that is read", "cut it into parts")
        case .tooLarge(let file, let limit):
            Explanation(
                "\(file): decoded, the recording takes more than \(limit >> 20) MiB, the most that is read",
                "cut it into parts")
        case .tooSlow(let file, let limit):
            Explanation(
                "\(file): decoding took longer than \(limit.components.seconds) s and was stopped",
                "convert the file with ffmpeg, or leave it out")
        case .cancelled(let file):
            Explanation("\(file): decoding was stopped")
        case .failed(let file, let reason):
            Explanation("\(file): the recording could not be decoded (\(reason))")
        case .unwritable(let file, let reason):
            Explanation(
                "\(file): the audio file cannot be written (\(reason))", "make room, or choose another folder")
        }
    }
}
