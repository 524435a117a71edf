import Foundation

/// The words that a decoder knows, as a trie over labels.
public struct Lexicon: Sendable {
    /// How many words it holds.
    public let count: Int
    /// Words that the alphabet cannot spell, which are left out.
    public let unspellable: [String]
    private var children = PairTable()
    /// For each node, the word's number in the language model, 0 for words that the model lacks, −1 where no word ends.
    private var ends: [Int32] = [-1]
    /// For each node, whether a word of the language model passes through it; without a model, any word.
    private var known: [Bool] = [false]

    /// Makes a lexicon of words.
    ///
    /// - Parameters:
    ///   - words: Each once or more often.
    ///   - alphabet: What spells them.
    ///   - model: The language model, of whose words the lexicon remembers the numbers.
    public init(_ words: some Sequence<String>, alphabet: DecodingAlphabet, model: LanguageModel? = nil) {
        var unspellable: [String] = []
        var count = 0
        for word in words {
            guard !word.isEmpty, let labels = alphabet.labels(of: word) else {
                unspellable.append(word)
                continue
            }
            let number = model?.index(of: word) ?? 0
            let isKnown = model == nil || number > 0
            var node: Int32 = 0
            for label in labels {
                var next = children.find(node, Int32(label))
                if next < 0 {
                    next = Int32(ends.count)
                    ends.append(-1)
                    known.append(false)
                    children.insert(node, Int32(label), next)
                }
                node = next
                if isKnown { known[Int(node)] = true }
            }
            if ends[Int(node)] < 0 { count += 1 }
            ends[Int(node)] = Int32(truncatingIfNeeded: number)
        }
        self.count = count
        self.unspellable = unspellable
    }

    /// Reads a list of words: one a line, alone or followed by its spelling as in flashlight's lexicons.
    ///
    /// - Parameters:
    ///   - url: The file, plain or compressed by gzip.
    ///   - alphabet: What spells the words.
    ///   - model: The language model.
    /// - Throws: `LanguageModelError`, naming a line whose spelling is not the word's, or a file without usable words.
    public init(
        contentsOf url: URL, alphabet: DecodingAlphabet, model: LanguageModel? = nil
    ) throws(LanguageModelError) {
        let reader = try LineReader(path: url.path)
        var words: [String] = []
        while let line = try reader.next() {
            var fields: [String] = []
            line.forEachField { fields.append($0.text) }
            guard let word = fields.first else { continue }
            var spelling = fields.dropFirst()
            if spelling.last == LetterText.wordBoundary { spelling.removeLast() }
            guard spelling.isEmpty || spelling.elementsEqual(word.unicodeScalars.map { String($0) }) else {
                throw .badLine(
                    path: url.path, line: reader.number, expected: "a word, alone or with its letters after it",
                    found: line.text)
            }
            words.append(word)
        }
        self.init(words, alphabet: alphabet, model: model)
        guard count > 0 else {
            throw .unusable(
                path: url.path,
                reason: words.isEmpty
                    ? "holds no words"
                    : "has no word that the dictionary can spell; the first is \"\(words[0])\": write words as the "
                        + "dictionary does")
        }
    }

    /// The node that a label leads to, −1 where no word goes on with it.
    @inline(__always) func child(_ node: Int32, _ label: Int32) -> Int32 {
        node < 0 ? -1 : children.find(node, label)
    }

    /// Whether a word of the language model begins like this.
    @inline(__always) func isKnown(_ node: Int32) -> Bool { node >= 0 && known[Int(node)] }

    /// The number of the word that ends at a node, −1 where none does.
    @inline(__always) func word(at node: Int32) -> Int32 { node < 0 ? -1 : ends[Int(node)] }
}

/// Words that are to be preferred, as a trie over labels.
struct HotWords: Sendable {
    private var children = PairTable()
    private var ends: [Bool] = [false]
    /// The length of the shortest word below each node, in code points.
    private var shortest: [Int] = [Int.max]
    let weight: Double

    init(_ phrases: [String], weight: Double, alphabet: DecodingAlphabet) throws(DecodingError) {
        self.weight = weight
        for word in phrases.flatMap({ LetterText.words(in: $0) }) {
            guard let labels = alphabet.labels(of: word) else {
                throw .unspellable(word: word, symbols: alphabet.symbols.filter { $0.count == 1 }.sorted().joined())
            }
            let length = word.unicodeScalars.count
            var node: Int32 = 0
            shortest[0] = min(shortest[0], length)
            for label in labels {
                var next = children.find(node, Int32(label))
                if next < 0 {
                    next = Int32(ends.count)
                    ends.append(false)
                    shortest.append(Int.max)
                    children.insert(node, Int32(label), next)
                }
                node = next
                shortest[Int(node)] = min(shortest[Int(node)], length)
            }
            ends[Int(node)] = true
        }
    }

    var isEmpty: Bool { ends.count == 1 }

    @inline(__always) func child(_ node: Int32, _ label: Int32) -> Int32 {
        node < 0 ? -1 : children.find(node, label)
    }

    func isWord(_ node: Int32) -> Bool { node > 0 && ends[Int(node)] }

    /// The part of the weight that the first `length` code points of a word have earned.
    func partialScore(_ node: Int32, length: Int) -> Double {
        node > 0 ? weight * Double(length) / Double(shortest[Int(node)]) : 0
    }
}
