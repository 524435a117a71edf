/// How a beam search goes about it.
///
/// Names, meanings and defaults are pyctcdecode's.
public struct BeamSearchOptions: Sendable, Equatable {
    /// At most this many hypotheses are kept after each frame.
    public var beamWidth = 100
    /// Hypotheses that are worse than the best by more than this are given up: a negative natural logarithm.
    public var beamPruneLogp = -10.0
    /// Labels less probable than this are not tried in a frame, unless none is more probable: a natural logarithm.
    public var tokenMinLogp = -5.0
    /// The language model's weight.
    public var alpha = 0.5
    /// A bonus for each word, which makes up for what the language model takes from long texts.
    public var beta = 1.5
    /// What is added to the score of a word that is not known: a logarithm to base 10, before `alpha` applies.
    public var unknownScoreOffset = -10.0
    /// Whether the language model sees a sentence's beginning and end around the utterance.
    public var scoresBoundary = true
    /// Words or phrases that are to be preferred.
    public var hotWords: [String] = []
    /// A bonus for each hot word.
    public var hotWordWeight = 10.0
    /// Whether of hypotheses that differ only in words which the language model has forgotten the best alone is kept.
    ///
    /// Faster, and nothing is lost where only the best hypothesis is wanted; the others become less diverse.
    public var prunesHistory = false
    /// Whether words may be written that the lexicon lacks; without a lexicon, any.
    public var allowsUnknownWords = true

    /// The defaults.
    public init() {}
}
