/// SubRip subtitles (`.srt`); empty if nothing is said.
public enum SubRip: TimedTextFormat {
    /// Writes captions.
    public static func write(_ transcript: TimedTranscript, to body: (String) throws -> Void) rethrows {
        for (index, caption) in transcript.captions().enumerated() {
            try body(
                (index == 0 ? "" : "\n")
                    + "\(index + 1)\n\(clock(caption.start, separator: ",")) --> \(clock(caption.end, separator: ","))\n"
                    + caption.text + "\n")
        }
    }
}
