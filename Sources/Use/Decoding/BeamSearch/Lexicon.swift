import Foundation
import W2VBase

/// The words that a decoder knows, as a trie over labels.
///
/// A word is spelled by its letters (with the longest symbols that match, or in any other way that the alphabet
/// allows), or by a flashlight lexicon, which may give a word several spellings, and a spelling several words.
public final class Lexicon: Sendable {
    /// A line of a lexicon.
    public struct Entry: Sendable, Equatable {
        /// The word in its written form.
        public var word: String
        /// Its symbols; empty to spell it by its letters.
        public var spelling: [String]

        /// Makes an entry.
        ///
        /// - Parameters:
        ///   - word: The word in its written form.
        ///   - spelling: Its symbols; empty to spell it by its letters.
        public init(word: String, spelling: [String] = []) {
            self.word = word
            self.spelling = spelling
        }
    }

    /// The number of words.
    public var count: Int { content.count }
    /// Words that the alphabet cannot spell, and words whose spellings it cannot write; they are left out.
    public var unspellable: [String] { content.unspellable }
    /// The special words that were left out, such as `<unk>`: toolkits list them, but they are not speech.
    public var specials: [String] { content.specials }
    private let content: Content

    /// Makes a lexicon of words.
    ///
    /// - Parameter model: The language model, whose word numbers the lexicon stores.
    public convenience init(_ words: some Sequence<String>, alphabet: DecodingAlphabet, model: LanguageModel? = nil) {
        self.init(entries: words.lazy.map { Entry(word: $0) }, alphabet: alphabet, model: model)
    }

    /// Makes a lexicon of words and their spellings.
    ///
    /// - Parameters:
    ///   - entries: Words with their spellings. Special words are left out: `<s>`, `</s>`, `<unk>`, `<pad>`, `<eps>`.
    ///   - alphabet: The alphabet of the spellings.
    ///   - model: The language model, whose word numbers the lexicon stores.
    public init(
        entries: some Sequence<Entry>, alphabet: DecodingAlphabet, model: LanguageModel? = nil
    ) {
        content = Content(entries, alphabet, model)
    }

    /// Returns whether a word is not speech; KenLM and SRILM read `<UNK>` as `<unk>`.
    static func isSpecial(_ word: String) -> Bool {
        ["<s>", "</s>", "<unk>", "<UNK>", "<pad>", "<eps>"].contains { $0.hasSameCodePoints(as: word) }
    }
    /// Words that have a spelling other than their letters, and their numbers in the language model.
    var respelled: [(text: String, number: UInt32)] { content.respelled }

    /// Returns the node that a label leads to, −1 if no word continues with it.
    @inline(__always) func child(_ node: Int32, _ label: Int32) -> Int32 { content.trie.child(node, label) }

    /// Returns whether a word of the language model starts with this prefix.
    @inline(__always) func isKnown(_ node: Int32) -> Bool { node >= 0 && content.known[Int(node)] }

    /// Returns the number of the word that ends at a node, −1 if none does.
    @inline(__always) func word(at node: Int32) -> Int32 { node < 0 ? -1 : content.ends[Int(node)] }

    /// Returns the words that end at a node, if one of them has a spelling other than its letters: indices in
    /// `respelled`, −1 for the word that the letters are; nil at all other nodes.
    @inline(__always) func respelled(at node: Int32) -> [Int32]? {
        content.respelled.isEmpty ? nil : content.respelledEnds[node]
    }

    /// Returns the spellings of a word that has others than its letters.
    func spellings(of word: String) -> [[Int]] { content.labels[ExactText(word)] ?? [] }
}

/// The content of a lexicon.
private struct Content: Sendable {
    private(set) var count = 0
    private(set) var unspellable: [String] = []
    private(set) var specials: [String] = []
    private(set) var trie = SpellingTrie()
    /// For each node, the language model's number of the word that its letters are: 0 for a word that the model lacks
    /// or that is spelled differently, −1 if no word ends there.
    private(set) var ends: [Int32] = [-1]
    /// For each node, whether a word of the language model passes through it; without a model, any word.
    private(set) var known: [Bool] = [false]
    /// Words that have a spelling other than their letters, and their numbers in the language model.
    private(set) var respelled: [(text: String, number: UInt32)] = []
    /// The spellings of each of these words.
    private(set) var labels: [ExactText: [[Int]]] = [:]
    /// For nodes where such words end, their indices in `respelled`; −1 for the word that the letters are.
    private(set) var respelledEnds: [Int32: [Int32]] = [:]

    init(_ entries: some Sequence<Lexicon.Entry>, _ alphabet: DecodingAlphabet, _ model: LanguageModel?) {
        var spelled: [(word: String, labels: [Int])] = []
        var written: [String] = []
        for entry in entries {
            if Lexicon.isSpecial(entry.word) {
                specials.append(entry.word)
            } else if entry.spelling.isEmpty {
                written.append(entry.word)
            } else if let labels = Self.labels(entry.spelling, alphabet) {
                spelled.append((entry.word, labels))
            } else {
                unspellable.append(entry.word)
            }
        }
        var places: [ExactText: Int32] = [:]
        for (word, labels) in spelled
        where places[ExactText(word)] == nil
            && !labels.map({ alphabet.symbols[$0] }).joined().hasSameCodePoints(as: word)
        {
            places[ExactText(word)] = Int32(respelled.count)
            respelled.append((word, model?.index(of: word) ?? 0))
        }
        count = respelled.count
        // Texts are inserted before spellings: see the trie.
        for word in written {
            guard !word.isEmpty, let nodes = trie.insert(word, alphabet) else {
                unspellable.append(word)
                continue
            }
            add(word, at: nodes, place: places[ExactText(word)], model)
        }
        for (word, labels) in spelled {
            let place = places[ExactText(word)]
            add(word, at: trie.insert(labels), place: place, model)
            if place != nil { self.labels[ExactText(word), default: []].append(labels) }
        }
    }

    private mutating func add(
        _ word: String, at nodes: [Int32], place: Int32?, _ model: LanguageModel?
    ) {
        while ends.count < trie.count {
            ends.append(-1)
            known.append(false)
        }
        guard let end = nodes.last else { return }
        let number = model?.index(of: word) ?? 0
        if model == nil || number > 0 { for node in nodes { known[Int(node)] = true } }
        if place == nil {
            // The word that these letters are.
            let isNew = ends[Int(end)] < 0 || respelledEnds[end].map { !$0.contains(-1) } ?? false
            if isNew { count += 1 }
            ends[Int(end)] = Int32(truncatingIfNeeded: number)
            if isNew { respelledEnds[end]?.append(-1) }
        } else if let place {
            // There may already be a word here with these letters.
            let others = respelledEnds[end] ?? (ends[Int(end)] < 0 ? [] : [-1])
            if !others.contains(place) { respelledEnds[end] = others + [place] }
            ends[Int(end)] = max(ends[Int(end)], 0)
        }
    }

    private static func labels(_ spelling: [String], _ alphabet: DecodingAlphabet) -> [Int]? {
        let labels = spelling.compactMap { alphabet.label(of: $0) }
        guard labels.count == spelling.count else { return nil }
        // Without a word boundary every label is a word.
        return alphabet.wordBoundary == nil && labels.count != 1 ? nil : labels
    }
}

extension Lexicon {
    /// Reads a list of words: one per line, alone or followed by its spelling as in flashlight's lexicons.
    ///
    /// - Parameter url: The file, UTF-8, plain or compressed by gzip: words, each alone or followed by symbols of the
    ///   dictionary, separated by spaces or tabs.
    /// - Throws: `LanguageModelError`, naming a line that is not UTF-8, or a file without usable words.
    public convenience init(
        contentsOf url: URL, alphabet: DecodingAlphabet, model: LanguageModel? = nil
    ) throws(LanguageModelError) {
        var reader = try LineReader(url, unpacks: true)
        var entries: [Entry] = []
        var foreign: (line: Int, symbol: String)?
        let boundary = alphabet.wordBoundary.map { ExactText(alphabet.symbols[$0]) }
        while let line = try reader.next() {
            var fields: [String] = []
            line.forEachField { fields.append($0.text) }
            guard let word = fields.first else { continue }
            var spelling = fields.dropFirst()
            while let last = spelling.last, ExactText(last) == boundary { spelling.removeLast() }
            if foreign == nil, !Self.isSpecial(word),
                let symbol = spelling.first(where: { alphabet.label(of: $0) == nil })
            {
                foreign = (reader.number, symbol)
            }
            entries.append(Entry(word: word, spelling: Array(spelling)))
        }
        self.init(entries: entries, alphabet: alphabet, model: model)
        guard count > 0 else {
            throw .unusable(path: url.path, reason: Self.problem(unspellable.first, foreign, alphabet))
        }
    }

    private static func problem(
        _ first: String?, _ foreign: (line: Int, symbol: String)?, _ alphabet: DecodingAlphabet
    ) -> String {
        guard let first else { return "holds no words" }
        if let foreign {
            return
                "has no word that the dictionary can spell; line \(foreign.line) spells \(first.quotedWithCodePoints) "
                + "with \(foreign.symbol.quotedWithCodePoints), which is not one of the dictionary's symbols "
                + "(\(alphabet.letters)): give words alone, or with their spelling in these symbols"
        }
        return
            "has no word that the dictionary can spell; the first is \(first.quotedWithCodePoints): write words as the "
            + "dictionary does"
    }
}
