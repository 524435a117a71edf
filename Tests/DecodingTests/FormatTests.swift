import Foundation
import TestSupport
import Testing

@testable import W2VDecoding

@Suite(.onTestThreads) struct FormatTests {
    private static let transcript = TimedTranscript(
        name: "a talk", duration: 3601.5,
        words: [
            TimedText(text: "A", start: 0.5, end: 0.62, confidence: 0.9),
            TimedText(text: "\"TIDY\"", start: 0.7, end: 1.1, confidence: 0.5),
            TimedText(text: "<HOUSE", start: 3600.0004, end: 3601.2, confidence: 1),
        ],
        characters: [TimedText(text: "A", start: 0.5, end: 0.62, confidence: 0.9)])

    @Test func subtitles() {
        #expect(
            SubRip.text(Self.transcript)
                == "1\n00:00:00,500 --> 00:00:01,100\nA \"TIDY\"\n\n2\n01:00:00,000 --> 01:00:01,200\n<HOUSE\n")
        #expect(
            WebVTT.text(Self.transcript)
                == "WEBVTT\n\n00:00:00.500 --> 00:00:01.100\nA \"TIDY\"\n\n01:00:00.000 --> 01:00:01.200\n&lt;HOUSE\n")
        let empty = TimedTranscript(name: "", duration: 1, words: [])
        #expect(SubRip.text(empty) == "" && WebVTT.text(empty) == "WEBVTT\n" && CTM.text(empty) == "")
    }

    @Test func captionsEndBeforePausesAndWhenTheyAreFull() {
        let words = (0..<40).map { index in
            TimedText(text: "WORD", start: Double(index) * 0.1, end: Double(index) * 0.1 + 0.05, confidence: 0.5)
        }
        var transcript = TimedTranscript(name: "x", duration: 9, words: words)
        let captions = transcript.captions(CaptionLayout(lineLength: 24, lines: 1)).map(\.text)
        #expect(captions.count == 8 && captions.allSatisfy { $0.text.count <= 24 && abs($0.confidence - 0.5) < 1e-9 })
        #expect(captions.map(\.text).joined(separator: " ").split(separator: " ").count == 40)
        transcript.captionLayout = CaptionLayout(words: 1)
        #expect(SubRip.text(transcript).contains("40\n00:00:03,900 --> 00:00:03,950\nWORD\n"))
    }

    /// Two lines of 42 characters, of which neither is much longer than the other.
    @Test func captionsHaveBalancedLines() {
        func transcript(_ text: String) -> TimedTranscript {
            let words = text.split(separator: " ").enumerated().map { index, word in
                TimedText(text: String(word), start: Double(index) * 0.1, end: Double(index) * 0.1 + 0.1, confidence: 1)
            }
            return TimedTranscript(name: "x", duration: 60, words: words)
        }
        let long = transcript(
            "the quick brown fox jumps over the lazy dog and runs along the river bank until it is dark outside")
        let captions = long.captions()
        #expect(captions.allSatisfy { $0.lines.count <= 2 && $0.lines.allSatisfy { $0.count <= 42 } })
        #expect(captions.map(\.text.text).joined(separator: " ") == long.words.map(\.text).joined(separator: " "))
        #expect(
            transcript("the quick brown fox jumps over the lazy dog today").captions().map(\.lines)
                == [["the quick brown fox jumps", "over the lazy dog today"]])
        // A word that is longer than a line is not cut.
        let word = String(repeating: "x", count: 60)
        #expect(transcript(word).captions().map(\.lines) == [[word]])
        #expect(transcript("a b").captions().map(\.lines) == [["a b"]])
    }

    @Test func timeMarks() {
        #expect(
            CTM.text(Self.transcript)
                == "a_talk 1 0.500 0.120 A 0.9000\na_talk 1 0.700 0.400 \"TIDY\" 0.5000\n"
                + "a_talk 1 3600.000 1.200 <HOUSE 1.0000\n")
        #expect(fixed(0.0004, 3) == "0.000" && fixed(-1.2345, 2) == "-1.23" && fixed(12.5, 0) == "13")
    }

    /// Intervals are contiguous from zero to the end, as Praat requires.
    @Test func textGrids() {
        let text = TextGrid.text(Self.transcript)
        #expect(
            text.hasPrefix("File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = 3601.500000\n"))
        #expect(text.contains("name = \"characters\"") && text.contains("text = \"\"\"TIDY\"\"\""))
        let words = text.components(separatedBy: "item [2]")[0].components(separatedBy: "intervals [").dropFirst()
        let bounds = words.map { interval in
            interval.split(separator: "\n").compactMap { line -> Double? in
                line.contains(" = ") && !line.contains("text") ? Double(line.components(separatedBy: " = ")[1]) : nil
            }
        }
        #expect(bounds.count == 7 && bounds.first?.first == 0 && bounds.last?.last == 3601.5)
        #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0[1] == $1[0] })
        let silence = TextGrid.text(TimedTranscript(name: "silence", duration: 2, words: []))
        #expect(silence.contains("size = 2\n") && silence.contains("name = \"characters\""))
    }
}
