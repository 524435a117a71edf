import W2VBase

/// The beginnings of words that a search has come across: a trie over labels, with what scoring needs at each node.
struct PartArena {
    struct Node {
        var parent: Int32
        var label: Int32
        /// Code points so far.
        var length: Int32
        var lexicon: Int32
        var hot: Int32
        /// What an unfinished word adds to a hypothesis's score.
        var score: Double
        /// The number of the word in the language model, −1 while it was not looked up.
        var word: Int32 = -1
        /// The node that stands for all beginnings that read the same; see ``PartArena/key(_:)``.
        var key: Int32 = 0
    }

    /// What makes two beginnings the same, however they are spelled.
    private struct Reading: Hashable {
        var text: ExactText
        var lexicon: Int32
    }

    private(set) var nodes: [Node]
    private var children = PairTable(minimumCapacity: 4096)
    /// The nodes that stand for others, where a text can be spelled in several ways.
    private var keys: [Reading: Int32] = [:]
    private let decoder: BeamSearchDecoder
    private let scoresUnknown: Bool
    private let isAmbiguous: Bool

    /// pyctcdecode's idea of a word's usual length, beyond which unknown beginnings cost more.
    private static let averageLength: Int32 = 6

    init(_ decoder: BeamSearchDecoder) {
        self.decoder = decoder
        scoresUnknown = decoder.model != nil
        isAmbiguous = decoder.alphabet.isAmbiguous
        nodes = [Node(parent: -1, label: -1, length: 0, lexicon: decoder.lexicon == nil ? -1 : 0, hot: 0, score: 0)]
    }

    mutating func child(_ node: Int32, _ label: Int32) -> Int32 {
        let known = children.find(node, label)
        if known >= 0 { return known }
        let parent = nodes[Int(node)]
        var made = Node(
            parent: node, label: label, length: parent.length + Int32(decoder.alphabet.lengths[Int(label)]),
            lexicon: decoder.lexicon?.child(parent.lexicon, label) ?? -1,
            hot: decoder.hotWords.child(parent.hot, label), score: 0)
        if made.hot > 0 {
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

    /// The node that stands for all beginnings which read as this one does and lead to the same words.
    ///
    /// With the label `nj` beside `n` and `j`, "nj" is one text whichever of them were heard.
    @inline(__always) func key(_ node: Int32) -> Int32 { isAmbiguous ? nodes[Int(node)].key : node }

    private mutating func elected(_ node: Int32) -> Int32 {
        guard isAmbiguous else { return node }
        let reading = Reading(text: ExactText(text(node)), lexicon: nodes[Int(node)].lexicon)
        if let known = keys[reading] { return known }
        keys[reading] = node
        return node
    }

    /// Forgets all beginnings that lead to none of these.
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
        while node > 0 {
            labels.append(Int(nodes[Int(node)].label))
            node = nodes[Int(node)].parent
        }
        return labels.reversed()
    }

    func text(_ node: Int32) -> String { labels(node).map { decoder.alphabet.symbols[$0] }.joined() }

    /// The word's number in the language model, and whether it counts as known.
    mutating func word(_ node: Int32) -> (number: UInt32, isKnown: Bool) {
        let listed = decoder.lexicon?.word(at: nodes[Int(node)].lexicon) ?? -1
        if listed > 0 { return (UInt32(listed), true) }
        // A word that the lexicon lacks can be in the language model all the same.
        if nodes[Int(node)].word < 0 {
            nodes[Int(node)].word = Int32(truncatingIfNeeded: decoder.model?.index(of: text(node)) ?? 0)
        }
        let number = UInt32(nodes[Int(node)].word)
        return (number, decoder.lexicon == nil && number > 0)
    }

    /// The words of the lexicon that end here, where one of them is not what the letters are: see ``Lexicon``.
    func respelled(_ node: Int32) -> [Int32]? { decoder.lexicon?.respelled(at: nodes[Int(node)].lexicon) }

    /// Whether a whole word of the lexicon ends here.
    func isWord(_ node: Int32) -> Bool { (decoder.lexicon?.word(at: nodes[Int(node)].lexicon) ?? -1) >= 0 }
}

/// The texts that a search has come across: a trie over words, with the language model's state at each node.
struct TextArena {
    struct Node {
        var parent: Int32
        /// The last word: the key of its letters in the part arena, or −2 less its place among the respelled words.
        var word: Int32
        var hotWords: Int32
        /// The last words, as many as the language model can see: equal numbers mean equal words.
        var history: Int32
        /// What the language model has added up so far, weighted.
        var raw: Double
        /// `raw` and the bonuses of hot words.
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
            Node(parent: -1, word: -1, hotWords: 0, history: 0, raw: 0, score: 0, state: start ?? NGramState())
        ]
    }

    /// A language model's score as it counts in a hypothesis: weighted, as a natural logarithm, with the word's bonus.
    private func weighted(_ log10: Double) -> Double { decoder.options.alpha * log10 * BeamSearch.ln10 }

    /// The text that a word leads to.
    ///
    /// - Parameters:
    ///   - node: The text before it.
    ///   - respelled: The word's place among those that are not what their letters are; −1 for one that is.
    mutating func child(_ node: Int32, _ part: Int32, respelled: Int32 = -1, _ parts: inout PartArena) -> Int32 {
        let word = respelled < 0 ? parts.key(part) : -2 - respelled
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
        while words.count < historyLength, node > 0 {
            words.append(nodes[Int(node)].word)
            node = nodes[Int(node)].parent
        }
        if let known = histories[words] { return known }
        defer { nextHistory += 1 }
        histories[words] = nextHistory
        return nextHistory
    }

    /// Forgets all texts that lead to none of these.
    mutating func keep(_ used: some Sequence<Int32>) -> Survivors {
        let survivors = Survivors(of: used, among: nodes.count, keepsFirst: true) { nodes[$0].parent }
        nodes = survivors.kept(of: nodes)
        for index in nodes.indices.dropFirst() { nodes[index].parent = survivors[nodes[index].parent] }
        let seen = Set(nodes.map(\.history))
        histories = histories.filter { seen.contains($0.value) }
        return survivors
    }

    /// The words that texts and histories consist of; those that are not numbers of parts are negative.
    var usedParts: [Int32] { nodes.map(\.word) + histories.keys.joined() }

    /// Follows the beginnings of words to their new numbers, after ``keep(_:)``.
    mutating func renumber(_ parts: Survivors) {
        children = PairTable(minimumCapacity: max(1024, nodes.count))
        for index in nodes.indices.dropFirst() {
            nodes[index].word = parts[nodes[index].word]
            children.insert(nodes[index].parent, nodes[index].word, Int32(index))
        }
        histories = Dictionary(uniqueKeysWithValues: histories.map { ($0.key.map { parts[$0] }, $0.value) })
    }

    /// The score of a whole utterance.
    ///
    /// - Parameter endsInWord: Whether its last word was still open at the last frame. After a word boundary
    ///   pyctcdecode scores an empty, and so unknown, word before the sentence's end; we do the same, so that ranks are
    ///   equal.
    /// - Returns: The weighted score of the language model with all bonuses.
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

    /// The words of a text.
    func words(_ node: Int32, _ parts: PartArena) -> [String] {
        var words: [String] = []
        var node = node
        while node > 0 {
            let word = nodes[Int(node)].word
            words.append(word >= 0 ? parts.text(word) : decoder.lexicon?.respelled[Int(-2 - word)].text ?? "")
            node = nodes[Int(node)].parent
        }
        return words.reversed()
    }
}
