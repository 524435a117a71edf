/// A file format for text with times.
public protocol TimedTextFormat {
    /// Writes a transcript piece by piece, so that the text of hours need not be in memory.
    ///
    /// - Parameter body: Receives the file's text in pieces of any length; nothing for an empty file.
    static func write(_ transcript: TimedTranscript, to body: (String) throws -> Void) rethrows
}

extension TimedTextFormat {
    /// Returns a transcript's text.
    public static func text(_ transcript: TimedTranscript) -> String {
        var text = ""
        write(transcript) { text += $0 }
        return text
    }
}
