import W2VBase

/// The prefixes of words that a search has visited: a trie over labels, with the data for scoring at each node.
struct PartArena {
    struct Node {
        var parent: Int32
        var label: Int32
        /// The number of code points so far.
        var length: Int32
        var lexicon: Int32
        var hot: Int32
        /// The contribution of an unfinished word to a hypothesis's score.
        var score: Double
        /// The word's number in the language model, ``SearchCode/none`` until it has been looked up.
        var word = SearchCode.none
        /// The representative of all prefixes with the same text; see ``PartArena/key(_:)``.
        var key: Int32 = 0
    }

    /// The text of a prefix, independent of its spelling.
    private struct Reading: Hashable {
        var text: ExactText
        var lexicon: Int32
    }

    private(set) var nodes: [Node]
    private var children = PairTable(minimumCapacity: 4096)
    /// The representatives of texts, if a text can be spelled in several ways.
    private var keys: [Reading: Int32] = [:]
    private let decoder: BeamSearchDecoder
    private let scoresUnknown: Bool
    private let isAmbiguous: Bool

    /// pyctcdecode's average word length, beyond which unknown prefixes cost more.
    private static let averageLength: Int32 = 6

    init(_ decoder: BeamSearchDecoder) {
        self.decoder = decoder
        scoresUnknown = decoder.model != nil
        isAmbiguous = decoder.alphabet.isAmbiguous
        let lexicon = decoder.lexicon == nil ? SearchCode.none : SearchCode.root
        nodes = [
            Node(
                parent: SearchCode.none, label: SearchCode.none, length: 0, lexicon: lexicon, hot: SearchCode.root,
                score: 0)
        ]
    }

    mutating func child(_ node: Int32, _ label: Int32) -> Int32 {
        let known = children.find(node, label)
        if known >= 0 { return known }
        let parent = nodes[Int(node)]
        var made = Node(
            parent: node, label: label, length: parent.length + Int32(decoder.alphabet.lengths[Int(label)]),
            lexicon: decoder.lexicon?.child(parent.lexicon, label) ?? SearchCode.none,
            hot: decoder.hotWords.child(parent.hot, label), score: 0)
        if made.hot > SearchCode.root {
            made.score = decoder.hotWords.partialScore(made.hot, length: Int(made.length))
        } else if scoresUnknown, decoder.lexicon?.isKnown(made.lexicon) != true {
            made.score = decoder.options.unknownScoreOffset
            if made.length > Self.averageLength {
                made.score = made.score * Double(made.length) / Double(Self.averageLength)
            }
        }
        let index = Int32(nodes.count)
        nodes.append(made)
        children.insert(node, label, index)
        nodes[Int(index)].key = elected(index)
        return index
    }

    /// Returns the representative of all prefixes that have the same text and lead to the same words.
    ///
    /// With a label `nj` beside `n` and `j`, "nj" is one text, however it was spelled.
    @inline(__always) func key(_ node: Int32) -> Int32 { isAmbiguous ? nodes[Int(node)].key : node }

    private mutating func elected(_ node: Int32) -> Int32 {
        guard isAmbiguous else { return node }
        let reading = Reading(text: ExactText(text(node)), lexicon: nodes[Int(node)].lexicon)
        if let known = keys[reading] { return known }
        keys[reading] = node
        return node
    }

    /// Drops all prefixes that do not lead to one of these.
    mutating func keep(_ used: some Sequence<Int32>) -> Survivors {
        let survivors = Survivors(of: used, among: nodes.count, keepsFirst: true) { nodes[$0].parent }
        nodes = survivors.kept(of: nodes)
        children = PairTable(minimumCapacity: max(4096, nodes.count))
        for index in nodes.indices.dropFirst() {
            nodes[index].parent = survivors[nodes[index].parent]
            children.insert(nodes[index].parent, nodes[index].label, Int32(index))
        }
        keys = keys.compactMapValues { survivors[$0] < 0 ? nil : survivors[$0] }
        for index in nodes.indices.dropFirst() {
            let key = survivors[nodes[index].key]
            nodes[index].key = key < 0 ? elected(Int32(index)) : key
        }
        return survivors
    }

    func labels(_ node: Int32) -> [Int] {
        var labels: [Int] = []
        var node = node
        while node > SearchCode.root {
            labels.append(Int(nodes[Int(node)].label))
            node = nodes[Int(node)].parent
        }
        return labels.reversed()
    }

    func text(_ node: Int32) -> String { labels(node).map { decoder.alphabet.symbols[$0] }.joined() }

    /// Returns the word's number in the language model, and whether it counts as known.
    mutating func word(_ node: Int32) -> (number: UInt32, isKnown: Bool) {
        let listed = decoder.lexicon?.word(at: nodes[Int(node)].lexicon) ?? SearchCode.none
        if listed > 0 { return (UInt32(listed), true) }
        // A word that the lexicon lacks may still be in the language model.
        if nodes[Int(node)].word < 0 {
            nodes[Int(node)].word = Int32(truncatingIfNeeded: decoder.model?.index(of: text(node)) ?? 0)
        }
        let number = UInt32(nodes[Int(node)].word)
        return (number, decoder.lexicon == nil && number > 0)
    }

    /// Returns the words of the lexicon that end here, if one of them differs from its letters: see ``Lexicon``.
    func respelled(_ node: Int32) -> [Int32]? { decoder.lexicon?.respelled(at: nodes[Int(node)].lexicon) }

    /// Returns whether a whole word of the lexicon ends here.
    func isWord(_ node: Int32) -> Bool {
        guard let lexicon = decoder.lexicon else { return false }
        return lexicon.word(at: nodes[Int(node)].lexicon) > SearchCode.none
    }
}

/// The texts that a search has visited: a trie over words, with the language model's state at each node.
struct TextArena {
    struct Node {
        var parent: Int32
        /// The last word: the key of its letters in the part arena, or ``SearchCode/word(respelled:)``.
        var word: Int32
        var hotWords: Int32
        /// The last words, up to the language model's context: equal numbers mean equal words.
        var history: Int32
        /// The weighted sum of the language model's scores.
        var raw: Double
        /// `raw` plus the bonuses of hot words.
        var score: Double
        var state: NGramState
    }

    private(set) var nodes: [Node]
    private var children = PairTable(minimumCapacity: 1024)
    private var histories: [[Int32]: Int32] = [[]: 0]
    private var nextHistory: Int32 = 1
    private let decoder: BeamSearchDecoder
    private let historyLength: Int

    init(_ decoder: BeamSearchDecoder) {
        self.decoder = decoder
        historyLength = max(1, (decoder.model?.order ?? 1) - 1)
        let start = decoder.options.scoresBoundary ? decoder.model?.sentenceBeginning : nil
        nodes = [
            Node(
                parent: SearchCode.none, word: SearchCode.none, hotWords: 0, history: 0, raw: 0, score: 0,
                state: start ?? NGramState())
        ]
    }

    /// Returns a language model's score as part of a hypothesis's: α · ln 10 · log₁₀ p, a natural logarithm.
    private func weighted(_ log10: Double) -> Double { decoder.options.alpha * log10 * BeamSearch.ln10 }

    /// Returns the text that results from appending a word.
    ///
    /// - Parameters:
    ///   - node: The text before the word.
    ///   - respelled: The word's index among those that differ from their letters; ``SearchCode/none`` for others.
    mutating func child(
        _ node: Int32, _ part: Int32, respelled: Int32 = SearchCode.none, _ parts: inout PartArena
    ) -> Int32 {
        let word = respelled < 0 ? parts.key(part) : SearchCode.word(respelled: respelled)
        let known = children.find(node, word)
        if known >= 0 { return known }
        let parent = nodes[Int(node)]
        var made = Node(
            parent: node, word: word, hotWords: parent.hotWords, history: 0, raw: parent.raw, score: 0,
            state: parent.state)
        let entry = respelled < 0 ? nil : decoder.lexicon?.respelled[Int(respelled)]
        if let model = decoder.model {
            let (number, isKnown) = entry.map { ($0.number, $0.number > 0) } ?? parts.word(part)
            var score = Double(model.score(number, after: parent.state, next: &made.state))
            if !isKnown { score += decoder.options.unknownScoreOffset }
            made.raw += weighted(score) + decoder.options.beta
        }
        let isHot = entry.map { decoder.hotWords.contains($0.text) }
        if isHot ?? decoder.hotWords.isWord(parts.nodes[Int(part)].hot) { made.hotWords += 1 }
        made.score = made.raw + decoder.hotWords.weight * Double(made.hotWords)
        let index = Int32(nodes.count)
        if decoder.options.prunesHistory { made.history = history(node, word) }
        nodes.append(made)
        children.insert(node, word, index)
        return index
    }

    private mutating func history(_ node: Int32, _ word: Int32) -> Int32 {
        var words = [word]
        var node = node
        while words.count < historyLength, node > SearchCode.root {
            words.append(nodes[Int(node)].word)
            node = nodes[Int(node)].parent
        }
        if let known = histories[words] { return known }
        defer { nextHistory += 1 }
        histories[words] = nextHistory
        return nextHistory
    }

    /// Drops all texts that do not lead to one of these.
    mutating func keep(_ used: some Sequence<Int32>) -> Survivors {
        let survivors = Survivors(of: used, among: nodes.count, keepsFirst: true) { nodes[$0].parent }
        nodes = survivors.kept(of: nodes)
        for index in nodes.indices.dropFirst() { nodes[index].parent = survivors[nodes[index].parent] }
        let seen = Set(nodes.map(\.history))
        histories = histories.filter { seen.contains($0.value) }
        return survivors
    }

    /// The words of texts and histories, as numbers of parts; respelled words are negative.
    var usedParts: [Int32] { nodes.map(\.word) + histories.keys.joined() }

    /// Updates the numbers of words' prefixes after ``keep(_:)``.
    mutating func renumber(_ parts: Survivors) {
        children = PairTable(minimumCapacity: max(1024, nodes.count))
        for index in nodes.indices.dropFirst() {
            nodes[index].word = parts[nodes[index].word]
            children.insert(nodes[index].parent, nodes[index].word, Int32(index))
        }
        histories = Dictionary(uniqueKeysWithValues: histories.map { ($0.key.map { parts[$0] }, $0.value) })
    }

    /// Returns the score of a whole utterance: the language model's weighted score with all bonuses.
    ///
    /// - Parameter endsInWord: Whether its last word was still open at the last frame. After a word boundary
    ///   pyctcdecode scores an empty, thus unknown, word before the sentence's end; we do the same, so that ranks are
    ///   equal.
    func finalScore(_ node: Int32, endsInWord: Bool) -> Double {
        let text = nodes[Int(node)]
        guard let model = decoder.model else { return text.score }
        var extra = 0.0
        var state = text.state
        var score = 0.0
        if !endsInWord {
            var next = NGramState()
            score += Double(model.score(0, after: state, next: &next)) + decoder.options.unknownScoreOffset
            state = next
            extra = decoder.options.beta
        }
        if decoder.options.scoresBoundary { score += Double(model.scoreEnd(after: state)) }
        return text.score + weighted(score) + extra
    }

    /// Returns the words of a text.
    func words(_ node: Int32, _ parts: PartArena) -> [String] {
        var words: [String] = []
        var node = node
        while node > SearchCode.root {
            let word = nodes[Int(node)].word
            if let respelled = SearchCode.respelled(word) {
                words.append(decoder.lexicon?.respelled[Int(respelled)].text ?? "")
            } else {
                words.append(parts.text(word))
            }
            node = nodes[Int(node)].parent
        }
        return words.reversed()
    }
}
