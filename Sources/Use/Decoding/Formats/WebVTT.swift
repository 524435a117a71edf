/// Subtitles for the web (`.vtt`).
///
/// Source: the W3C's WebVTT.
public enum WebVTT: TimedTextFormat {
    /// Writes captions.
    public static func write(_ transcript: TimedTranscript, to body: (String) throws -> Void) rethrows {
        try body("WEBVTT\n")
        for caption in transcript.captions() {
            try body(
                "\n\(clock(caption.start, separator: ".")) --> \(clock(caption.end, separator: "."))\n"
                    + escaped(caption.text) + "\n")
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
