/// The weights of an n-gram: logarithms to base 10.
struct NGramWeights {
    var probability: Float
    /// The backoff weight, −0 if no longer n-gram begins with these words, so that a state need not remember them.
    var backoff: Float
}

/// Returns whether a longer n-gram may begin with an n-gram of this backoff weight.
///
/// A weight of zero means no as −0 and yes as +0, as in KenLM.
@inline(__always) func canExtend(_ backoff: Float) -> Bool { backoff.bitPattern != 0x8000_0000 }

/// The n-grams of a model.
///
/// Nodes are reached from the newest word to older ones.
protocol NGramTables: Sendable {
    associatedtype Node
    /// The length of the longest n-grams.
    var order: Int { get }
    /// Returns a word's own weights; the node leads to n-grams that end in the word, of which a leaf has none.
    func unigram(_ word: UInt32) -> (weights: NGramWeights, node: Node, isLeaf: Bool)
    /// Goes one word further back, to an n-gram of order `level + 2`, shorter than the longest.
    func middle(_ level: Int, _ word: UInt32, _ node: inout Node) -> (weights: NGramWeights, isLeaf: Bool)?
    /// Goes back to the last word of a longest n-gram.
    func longest(_ word: UInt32, _ node: Node) -> Float?
}

/// The scoring of words that all of a language model's file formats share.
protocol WordScorer: Sendable {
    func score(_ word: UInt32, after state: NGramState, _ next: inout NGramState) -> Float
    func backoff(_ word: UInt32) -> Float
}

/// Backoff scoring over any tables.
///
/// The score is log p of the longest known n-gram, plus the backoff weights of the contexts that were not found:
///
///     log p(w | c) = log p(longest) + Σ backoff(longer contexts)
///
/// The sum is computed in single precision from the shortest on: this is KenLM's order of additions, so the sums are
/// the same bit for bit. Source: Katz 1987; Heafield 2011, "KenLM: faster and smaller language model queries", section
/// 4.
struct BackoffScorer<Tables: NGramTables>: WordScorer {
    let tables: Tables

    func backoff(_ word: UInt32) -> Float { tables.unigram(word).weights.backoff }

    func score(_ word: UInt32, after state: NGramState, _ next: inout NGramState) -> Float {
        let start = tables.unigram(word)
        var node = start.node
        var isLeaf = start.isLeaf
        var probability = start.weights.probability
        var matched = 1
        next.backoffs[0] = start.weights.backoff
        var length = canExtend(start.weights.backoff) ? 1 : 0
        var back = 0
        while back < state.length, !isLeaf {
            if back == tables.order - 2 {
                if let longest = tables.longest(state.words[back], node) {
                    probability = longest
                    matched = tables.order
                }
                break
            }
            guard let found = tables.middle(back, state.words[back], &node) else { break }
            probability = found.weights.probability
            matched = back + 2
            next.backoffs[back + 1] = found.weights.backoff
            if canExtend(found.weights.backoff) { length = matched }
            isLeaf = found.isLeaf
            back += 1
        }
        next.length = length
        next.words[0] = word
        var index = 1
        while index < length {
            next.words[index] = state.words[index - 1]
            index += 1
        }
        index = matched - 1
        while index < state.length {
            probability += state.backoffs[index]
            index += 1
        }
        return probability
    }
}
