import W2VBase

/// Preferred words, as a trie over labels.
struct HotWords: Sendable {
    private var trie = SpellingTrie()
    private var ends: [Bool] = [false]
    /// The length of the shortest word below each node, in code points.
    private var shortest: [Int] = [Int.max]
    private var words: Set<ExactText> = []
    let weight: Double

    /// Makes the trie of all words of the phrases.
    ///
    /// - Parameters:
    ///   - phrases: Words, with white space between those of a phrase.
    ///   - weight: The bonus for each word.
    ///   - lexicon: Words with spellings of their own.
    /// - Throws: `DecoderError.unspellable`.
    init(
        _ phrases: [String], weight: Double, alphabet: DecodingAlphabet, lexicon: Lexicon?
    ) throws(DecoderError) {
        self.weight = weight
        let all = phrases.flatMap { LetterText.words(in: $0) }
        words = Set(all.map { ExactText($0) })
        var spellings: [[Int]] = []
        for word in all {
            let others = lexicon?.spellings(of: word) ?? []
            spellings += others
            if let nodes = trie.insert(word, alphabet) {
                mark(nodes, length: word.unicodeScalars.count)
            } else if others.isEmpty {
                throw .unspellable(word: word, symbols: alphabet.letters)
            }
        }
        // Texts are inserted before spellings: see the trie.
        for labels in spellings {
            mark(trie.insert(labels), length: labels.reduce(0) { $0 + alphabet.lengths[$1] })
        }
    }

    private mutating func mark(_ nodes: [Int32], length: Int) {
        while ends.count < trie.count {
            ends.append(false)
            shortest.append(Int.max)
        }
        shortest[0] = min(shortest[0], length)
        for node in nodes { shortest[Int(node)] = min(shortest[Int(node)], length) }
        if let end = nodes.last { ends[Int(end)] = true }
    }

    @inline(__always) func child(_ node: Int32, _ label: Int32) -> Int32 { trie.child(node, label) }

    func isWord(_ node: Int32) -> Bool { node > 0 && ends[Int(node)] }

    /// Returns whether a word is a hot word, however it is spelled.
    func contains(_ word: String) -> Bool { !words.isEmpty && words.contains(ExactText(word)) }

    /// Returns the part of the weight that the first `length` code points of a word have earned.
    func partialScore(_ node: Int32, length: Int) -> Double {
        node > 0 ? weight * Double(length) / Double(shortest[Int(node)]) : 0
    }
}
