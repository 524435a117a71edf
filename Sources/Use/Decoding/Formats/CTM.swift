import W2VBase

/// NIST's time-marked conversations (`.ctm`), for scoring tools such as sclite; empty if nothing is said.
public enum CTM: TimedTextFormat {
    /// Writes one line per word: recording, channel, start, duration, word, confidence.
    public static func write(_ transcript: TimedTranscript, to body: (String) throws -> Void) rethrows {
        let name = transcript.name.split(whereSeparator: \.isWhitespace).joined(separator: "_").printable
        for word in transcript.words {
            try body(
                "\(name.isEmpty ? "recording" : name) 1 \(fixed(word.start, 3)) \(fixed(word.end - word.start, 3)) "
                    + "\(word.text) \(fixed(word.confidence, 4))\n")
        }
    }
}
