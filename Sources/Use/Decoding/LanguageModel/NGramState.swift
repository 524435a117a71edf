/// What a language model remembers of the words so far: those that can still change the scores of the words to come.
///
/// Two texts with equal states have the same future. The words stand newest first.
public struct NGramState: Sendable, Hashable {
    /// The longest n-grams of a model: longer ones are refused.
    public static let maximumOrder = 8

    /// How many words are remembered.
    public internal(set) var length = 0
    var words = InlineArray<7, UInt32>(repeating: 0)
    /// The backoff weight of the last word, the last two words, and so on.
    var backoffs = InlineArray<7, Float>(repeating: 0)

    /// A state that remembers nothing.
    public init() {}

    /// Whether the same words are remembered.
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
