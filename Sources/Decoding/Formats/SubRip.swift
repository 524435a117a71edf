/// SubRip subtitles (`.srt`).
public enum SubRip {
    /// Writes captions.
    ///
    /// - Parameter transcript: What is said.
    /// - Returns: The file's text; empty where nothing is said.
    public static func text(_ transcript: TimedTranscript) -> String {
        transcript.captions().enumerated().map { index, caption in
            "\(index + 1)\n\(clock(caption.start, separator: ",")) --> \(clock(caption.end, separator: ","))\n"
                + caption.text + "\n"
        }.joined(separator: "\n")
    }
}
