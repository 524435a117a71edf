extension TimedTranscript {
    /// The confidence below which a word was probably not said where it was found.
    static let leastConfidence = 0.01

    /// A sentence about an alignment whose text is probably not what the recording says; nil if text and recording
    /// match.
    ///
    /// Every text can be aligned with every recording that is long enough, and the times look plausible. The confidence
    /// reveals a mismatch: most words of a text that was not said have hardly any.
    public var doubt: String? {
        let unlikely = words.count { $0.confidence < Self.leastConfidence }
        guard !words.isEmpty, 2 * unlikely >= words.count else { return nil }
        let which = words.count == 1 ? "the only word has" : "\(unlikely) of \(words.count) words have"
        return
            "\(which) a confidence below \(Self.leastConfidence), so the transcript probably does not match the "
            + "recording: check that the two belong together and that the model knows the language."
    }
}
