import W2VBase
import W2VDecoding

/// An output format of transcriptions.
public enum TranscriptFormat: String, CaseIterable, Sendable {
    /// Plain text.
    case text
    /// One JSON object per line, with words and their times.
    case json
    /// The same with captions and single characters.
    case verboseJSON = "verbose-json"
    /// SubRip subtitles.
    case srt
    /// WebVTT subtitles.
    case vtt
    /// NIST's time-marked conversations.
    case ctm
    /// Praat annotations.
    case textgrid

    /// The files' extension.
    public var fileExtension: String {
        switch self {
        case .text: "txt"
        case .json, .verboseJSON: "json"
        case .srt, .vtt, .ctm, .textgrid: TimedFormat(rawValue: rawValue)?.fileExtension ?? rawValue
        }
    }

    /// The amount of detail in the output.
    public var detail: TranscriptionDetail {
        switch self {
        case .text: .text
        case .json, .srt, .vtt, .ctm: .words
        case .verboseJSON, .textgrid: .characters
        }
    }

    /// Whether results of several recordings can follow one another in one file.
    public var isLineByLine: Bool { [.text, .json, .verboseJSON, .ctm].contains(self) }

    /// Writes a transcription piece by piece: even for a recording of hours, the whole text is never in memory.
    ///
    /// - Parameters:
    ///   - transcription: The transcription.
    ///   - path: The recording's name in the JSON formats.
    ///   - name: The recording's name in the time-stamped formats.
    ///   - layout: The size of captions.
    ///   - body: Receives the text in pieces of any length; not called where the format has nothing to write.
    /// - Throws: An error of `body`.
    public func write(
        _ transcription: Transcription, path: String, name: String, captions layout: CaptionLayout = CaptionLayout(),
        to body: (String) throws -> Void
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
                members["segments"] = .list(transcription.timed(as: path).captions(layout).map(\.text))
                members["characters"] = .list(transcription.characters)
            }
            try writeJSONLine(members, to: body)
        case .srt, .vtt, .ctm, .textgrid:
            var timed = transcription.timed(as: name)
            timed.captionLayout = layout
            try TimedFormat(rawValue: rawValue)?.writer.write(timed, to: body)
        }
    }
}
