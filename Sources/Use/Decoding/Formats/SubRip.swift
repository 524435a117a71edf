/// SubRip subtitles (`.srt`); empty if nothing is said.
public enum SubRip: TimedTextFormat {
    /// Writes captions.
    public static func write(_ transcript: TimedTranscript, to body: (String) throws -> Void) rethrows {
        for (index, caption) in transcript.captions(transcript.captionLayout).enumerated() {
            try body(
                (index == 0 ? "" : "\n")
                    + "\(index + 1)\n\(clock(caption.text.start, separator: ",")) --> "
                    + "\(clock(caption.text.end, separator: ","))\n" + caption.lines.joined(separator: "\n") + "\n")
        }
    }
}
