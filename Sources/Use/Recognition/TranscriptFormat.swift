import W2VBase
import W2VDecoding

/// What is written of a recording's transcription.
public enum TranscriptFormat: String, CaseIterable, Sendable {
    /// The text alone.
    case text
    /// One JSON object in a line, with words and their times.
    case json
    /// The same with captions and single characters.
    case verboseJSON = "verbose-json"
    /// SubRip's subtitles.
    case srt
    /// Subtitles for the web.
    case vtt
    /// NIST's time-marked conversations.
    case ctm
    /// Praat's annotations.
    case textgrid

    /// How the files' names end.
    public var fileExtension: String {
        switch self {
        case .text: "txt"
        case .json, .verboseJSON: "json"
        case .srt, .vtt, .ctm, .textgrid: TimedFormat(rawValue: rawValue)?.fileExtension ?? rawValue
        }
    }

    /// What of a transcription is written.
    public var detail: TranscriptionDetail {
        switch self {
        case .text: .text
        case .json, .srt, .vtt, .ctm: .words
        case .verboseJSON, .textgrid: .characters
        }
    }

    /// Whether results of several recordings can follow one another in one file.
    public var isLineByLine: Bool { [.text, .json, .verboseJSON, .ctm].contains(self) }

    /// Writes a transcription piece by piece: of a recording of hours the whole text need not be in memory.
    ///
    /// - Parameters:
    ///   - transcription: What was recognized.
    ///   - path: What the JSON formats call the recording.
    ///   - name: What the time-stamped formats call it.
    ///   - body: Gets the text in pieces of any length; none where the format has nothing to say.
    /// - Throws: What `body` throws.
    public func write(
        _ transcription: Transcription, path: String, name: String, to body: (String) throws -> Void
    ) throws {
        switch self {
        case .text:
            try body(transcription.text)
            try body("\n")
        case .json, .verboseJSON:
            var members: [String: JSONMember] = [
                "file": .value(path), "text": .value(transcription.text),
                "confidence": .value(transcription.confidence), "duration": .value(transcription.duration),
                "words": .list(transcription.words),
            ]
            if self == .verboseJSON {
                members["segments"] = .list(transcription.timed(as: path).captions())
                members["characters"] = .list(transcription.characters)
            }
            try writeJSONLine(members, to: body)
        case .srt, .vtt, .ctm, .textgrid:
            try TimedFormat(rawValue: rawValue)?.writer.write(transcription.timed(as: name), to: body)
        }
    }
}
