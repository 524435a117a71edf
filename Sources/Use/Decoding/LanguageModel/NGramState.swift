/// The state of a language model after some words: those that can still influence the scores of the following words.
///
/// Two texts with equal states have the same future. The words are stored newest first.
public struct NGramState: Sendable, Hashable {
    /// The maximum order of a model: longer n-grams are rejected.
    public static let maximumOrder = 8

    /// The number of words remembered.
    public internal(set) var length = 0
    var words = InlineArray<7, UInt32>(repeating: 0)
    /// The backoff weight of the last word, the last two words, and so on.
    var backoffs = InlineArray<7, Float>(repeating: 0)

    /// Makes an empty state.
    public init() {}

    /// Returns whether the same words are remembered.
    public static func == (left: NGramState, right: NGramState) -> Bool {
        guard left.length == right.length else { return false }
        for index in 0..<left.length where left.words[index] != right.words[index] { return false }
        return true
    }

    /// Hashes the remembered words.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(length)
        for index in 0..<length { hasher.combine(words[index]) }
    }
}
