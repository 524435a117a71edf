extension TimedTranscript {
    /// Below this confidence a word is hardly what is said where it was found.
    static let leastConfidence = 0.01

    /// One sentence about an alignment whose text is hardly what the recording says; nil where text and recording fit.
    ///
    /// Every text can be aligned with every recording that is long enough, and the times look right. What tells is the
    /// confidence: of text that is not said, most words have next to none.
    public var doubt: String? {
        let unlikely = words.count { $0.confidence < Self.leastConfidence }
        guard !words.isEmpty, 2 * unlikely >= words.count else { return nil }
        let which = words.count == 1 ? "the only word has" : "\(unlikely) of \(words.count) words have"
        return
            "\(which) a confidence below \(Self.leastConfidence), so the transcript is hardly what the recording says: "
            + "check that the two belong together and that the model knows the language."
    }
}
