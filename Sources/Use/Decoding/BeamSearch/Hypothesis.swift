/// A hypothesis of a beam search for an utterance.
public struct Hypothesis: Sendable, Equatable {
    /// The words with single spaces between them.
    public var text: String
    /// The words with their frames.
    public var words: [WordSpan]
    /// The labels of all words, with the word boundary between words.
    public var labels: [Int]
    /// The natural logarithm of its probability under the acoustic model, summed over all paths that were kept.
    public var acousticScore: Double
    /// The acoustic score, the weighted score of the language model and all bonuses together.
    public var score: Double
}
