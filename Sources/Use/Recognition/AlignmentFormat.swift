import Foundation
import W2VBase
import W2VDecoding

/// An output format of alignments.
public enum AlignmentFormat: String, CaseIterable, Sendable {
    /// One line per word: start, end, confidence from 0 to 1, word.
    case text
    /// One JSON object with words and letters.
    case json
    /// SubRip subtitles.
    case srt
    /// WebVTT subtitles.
    case vtt
    /// NIST's time-marked conversations.
    case ctm
    /// Praat annotations.
    case textgrid

    /// The files' extension: that of tables for the text format, which has tabs and would otherwise be taken for a
    /// transcript.
    public var fileExtension: String {
        switch self {
        case .text: "tsv"
        case .json: "json"
        case .srt, .vtt, .ctm, .textgrid: TimedFormat(rawValue: rawValue)?.fileExtension ?? rawValue
        }
    }

    /// Writes an alignment piece by piece.
    ///
    /// - Parameters:
    ///   - aligned: The words and letters of the transcript, with their times.
    ///   - body: Receives the text in pieces of any length.
    /// - Throws: An error of `body`.
    public func write(_ aligned: TimedTranscript, to body: (String) throws -> Void) throws {
        switch self {
        case .text:
            for word in aligned.words {
                let numbers = String(format: "%.3f\t%.3f\t%.4f", word.start, word.end, word.confidence)
                try body("\(numbers)\t\(word.text)\n")
            }
        case .json:
            try writeJSONLine(
                [
                    "name": .value(aligned.name), "duration": .value(aligned.duration), "words": .list(aligned.words),
                    "characters": .list(aligned.characters),
                ], to: body)
        case .srt, .vtt, .ctm, .textgrid:
            try TimedFormat(rawValue: rawValue)?.writer.write(aligned, to: body)
        }
    }
}
