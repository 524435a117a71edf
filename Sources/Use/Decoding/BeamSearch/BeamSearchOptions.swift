/// The options of a beam search.
///
/// Names, meanings and defaults are pyctcdecode's.
public struct BeamSearchOptions: Sendable, Equatable {
    /// The maximum number of hypotheses that are kept after each frame.
    public var beamWidth = 100
    /// The score difference to the best hypothesis below which hypotheses are pruned: a negative natural logarithm.
    public var beamPruneLogp = -10.0
    /// The log-probability below which labels are not tried in a frame, unless there is no more probable one.
    public var tokenMinLogp = -5.0
    /// The language model's weight.
    public var alpha = 0.5
    /// A bonus for each word, which compensates for the language model's penalty on long texts.
    public var beta = 1.5
    /// A number added to the score of an unknown word: a logarithm to base 10, before `alpha` applies.
    public var unknownScoreOffset = -10.0
    /// Whether the language model scores a sentence's beginning and end around the utterance.
    public var scoresBoundary = true
    /// Words or phrases that are preferred.
    public var hotWords: [String] = []
    /// A bonus for each hot word.
    public var hotWordWeight = 10.0
    /// Whether only the best of hypotheses that differ in words beyond the language model's context is kept.
    ///
    /// This is faster, and does not change the best hypothesis; the others become less diverse.
    public var prunesHistory = false
    /// Whether words outside the lexicon are allowed; without a lexicon, any word is.
    public var allowsUnknownWords = true

    /// Makes the defaults.
    public init() {}
}
