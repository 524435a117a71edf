/// NIST's time-marked conversations (`.ctm`), which scoring tools such as sclite read.
public enum CTM {
    /// Writes a line a word: recording, channel, start, duration, word, confidence.
    ///
    /// - Parameter transcript: What is said.
    /// - Returns: The file's text; empty where nothing is said.
    public static func text(_ transcript: TimedTranscript) -> String {
        let name = transcript.name.split(whereSeparator: \.isWhitespace).joined(separator: "_")
        return transcript.words.map { word in
            "\(name.isEmpty ? "recording" : name) 1 \(fixed(word.start, 3)) \(fixed(word.end - word.start, 3)) "
                + "\(word.text) \(fixed(word.confidence, 4))\n"
        }.joined()
    }
}
