/// Subtitles for the web (`.vtt`).
///
/// Source: the W3C's WebVTT.
public enum WebVTT {
    /// Writes captions.
    ///
    /// - Parameter transcript: What is said.
    /// - Returns: The file's text.
    public static func text(_ transcript: TimedTranscript) -> String {
        (["WEBVTT\n"]
            + transcript.captions().map { caption in
                "\(clock(caption.start, separator: ".")) --> \(clock(caption.end, separator: "."))\n"
                    + escaped(caption.text) + "\n"
            }).joined(separator: "\n")
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
