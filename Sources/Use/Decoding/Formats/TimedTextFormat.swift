/// A format of files that say what is said when.
public protocol TimedTextFormat {
    /// Writes a transcript piece by piece: of hours the whole text need not be in memory.
    ///
    /// - Parameter body: Gets the file's text in pieces of any length; none where the format has nothing to say.
    static func write(_ transcript: TimedTranscript, to body: (String) throws -> Void) rethrows
}

extension TimedTextFormat {
    /// Writes a transcript.
    public static func text(_ transcript: TimedTranscript) -> String {
        var text = ""
        write(transcript) { text += $0 }
        return text
    }
}
