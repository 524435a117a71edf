/// Subtitles for the web (`.vtt`).
///
/// Source: the W3C's WebVTT.
public enum WebVTT: TimedTextFormat {
    /// Writes captions.
    public static func write(_ transcript: TimedTranscript, to body: (String) throws -> Void) rethrows {
        try body("WEBVTT\n")
        for caption in transcript.captions(transcript.captionLayout) {
            try body(
                "\n\(clock(caption.text.start, separator: ".")) --> \(clock(caption.text.end, separator: "."))\n"
                    + escaped(caption.lines.joined(separator: "\n")) + "\n")
        }
    }

    private static func escaped(_ text: String) -> String {
        String(
            text.flatMap { letter -> [Character] in
                switch letter {
                case "&": Array("&amp;")
                case "<": Array("&lt;")
                case ">": Array("&gt;")
                default: [letter]
                }
            })
    }
}
