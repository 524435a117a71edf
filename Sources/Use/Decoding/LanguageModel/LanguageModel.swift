import Foundation
import W2VBase

/// An n-gram language model with backoff, which gives the probability of a word after others.
///
/// It is read from an ARPA file (plain or compressed by gzip), from our own binary form, which is mapped into memory
/// and used in place, or from a KenLM binary file. Scores are KenLM's, bit for bit.
///
///     let model = try LanguageModel(contentsOf: URL(filePath: "3-gram.arpa.gz"))
///     print(model.score(["THE", "CAT"]).map(\.log10))
public final class LanguageModel: Sendable {
    /// The file formats of a model.
    public enum Format: Equatable, Sendable, CustomStringConvertible {
        /// Text: the ARPA format, optionally compressed.
        case arpa
        /// Our own binary form.
        case binary
        /// A KenLM binary file; the text is KenLM's name for the data structure.
        case kenLM(String)

        /// The format's name for people.
        public var description: String {
            switch self {
            case .arpa: "ARPA"
            case .binary: "binary"
            case .kenLM(let kind): "KenLM, \(kind)"
            }
        }
    }

    /// One word's score.
    public struct WordScore: Sendable, Equatable {
        /// The logarithm to base 10 of its probability after the words before it.
        public var log10: Float
        /// Whether the word is unknown to the model.
        public var isUnknown: Bool
    }

    /// The file.
    public let path: String
    /// Its format.
    public let format: Format
    /// The length of the longest n-grams.
    public let order: Int
    /// The number of n-grams of order 1, 2, and so on.
    public let counts: [Int]

    private let vocabulary: any WordTable
    private let scorer: any WordScorer
    private let storage: ByteStorage?
    private let sentenceEnd: UInt32
    /// The state at a sentence's beginning.
    public let sentenceBeginning: NGramState

    /// Reads a model.
    ///
    /// - Parameter url: An ARPA file, a model of `lm convert`, or a KenLM binary file.
    /// - Throws: `LanguageModelError`.
    public convenience init(contentsOf url: URL) throws(LanguageModelError) {
        let path = url.path
        let storage = try ByteStorage(mapping: path)
        if storage.bytes.starts(with: NGramTrie.magic) {
            try self.init(NGramTrie(storage, path: path), path: path, format: .binary)
        } else if KenLMHeader.recognizes(storage.bytes) {
            try self.init(kenLM: storage, path: path)
        } else {
            let built = try NGramTrieBuilder.build(try ARPAReader.read(path), path: path)
            try self.init(NGramTrie(built, path: path), path: path, format: .arpa)
        }
    }

    private convenience init(_ trie: NGramTrie, path: String, format: Format) throws(LanguageModelError) {
        try self.init(
            path: path, format: format, counts: trie.counts, vocabulary: trie, scorer: BackoffScorer(tables: trie),
            storage: trie.storage)
    }

    private convenience init(kenLM storage: ByteStorage, path: String) throws(LanguageModelError) {
        let header = try KenLMHeader(storage.bytes, path: path)
        let format = Format.kenLM(header.kind.name)
        if header.kind.isTrie {
            let trie = try KenLMTrie(storage, header, path: path)
            try self.init(
                path: path, format: format, counts: header.counts, vocabulary: trie.vocabulary,
                scorer: BackoffScorer(tables: trie), storage: nil)
        } else {
            let tables = try KenLMProbing(storage, header, path: path)
            try self.init(
                path: path, format: format, counts: header.counts, vocabulary: tables.vocabulary,
                scorer: BackoffScorer(tables: tables), storage: nil)
        }
    }

    private init(
        path: String, format: Format, counts: [Int], vocabulary: any WordTable, scorer: any WordScorer,
        storage: ByteStorage?
    ) throws(LanguageModelError) {
        self.path = path
        self.format = format
        self.counts = counts
        self.vocabulary = vocabulary
        self.scorer = scorer
        self.storage = storage
        order = counts.count
        let begin = vocabulary.index(of: "<s>")
        sentenceEnd = vocabulary.index(of: "</s>")
        for (index, word) in [(begin, "<s>"), (sentenceEnd, "</s>")] where index == 0 {
            throw .unusable(path: path, reason: "has no \(word), without which no sentence can be scored")
        }
        var state = NGramState()
        if order > 1 {
            state.length = 1
            state.words[0] = begin
            state.backoffs[0] = scorer.backoff(begin)
        }
        sentenceBeginning = state
    }

    // MARK: - Words

    /// Returns a word's number in the model; 0 for unknown words.
    public func index(of word: String) -> UInt32 { vocabulary.index(of: word) }

    /// Returns whether the model knows a word.
    public func contains(_ word: String) -> Bool { index(of: word) != 0 }

    /// All words by number, the first being `<unk>`; nil for a KenLM file without its words.
    public var words: [String]? { vocabulary.words }

    // MARK: - Scores

    /// Scores a word.
    ///
    /// - Parameter state: The state after the previous words; `NGramState()` for an empty context, without even a
    ///   sentence's beginning.
    /// - Returns: The logarithm to base 10 of its probability.
    public func score(_ word: UInt32, after state: NGramState, next: inout NGramState) -> Float {
        scorer.score(word, after: state, &next)
    }

    /// Scores a sentence's end.
    ///
    /// - Parameter state: The state after the previous words.
    /// - Returns: The logarithm to base 10 of the probability that the sentence ends here.
    public func scoreEnd(after state: NGramState) -> Float {
        var next = NGramState()
        return scorer.score(sentenceEnd, after: state, &next)
    }

    /// Scores a sentence.
    ///
    /// - Parameters:
    ///   - beginning: Whether a sentence begins here, so that its first words follow `<s>`.
    ///   - end: Whether it ends here; its end then has a score of its own, which comes last.
    /// - Returns: A score for each word, and one for the end.
    public func score(_ words: [String], beginning: Bool = true, end: Bool = true) -> [WordScore] {
        var state = beginning ? sentenceBeginning : NGramState()
        var scores: [WordScore] = []
        for word in words {
            let index = index(of: word)
            var next = NGramState()
            scores.append(WordScore(log10: score(index, after: state, next: &next), isUnknown: index == 0))
            state = next
        }
        if end { scores.append(WordScore(log10: scoreEnd(after: state), isUnknown: false)) }
        return scores
    }

    // MARK: - Writing

    /// Writes the model in our own binary form, under a temporary name until it is complete.
    ///
    /// - Parameter url: The file, which replaces an existing one.
    /// - Throws: `LanguageModelError.unusable` for a KenLM file, which opens as fast as ours, and `.unwritable`.
    public func writeBinary(to url: URL) throws(LanguageModelError) {
        guard let storage else {
            throw .unusable(
                path: path,
                reason: "is a binary file of KenLM, which can be used as it is; convert the ARPA file instead")
        }
        let file = try Self.file(url)
        try Self.rewording { () throws(FileWriteError) in
            try file.append(storage.bytes)
            try file.commit()
        }
    }

    /// Begins the file of a model.
    ///
    /// - Throws: `LanguageModelError.unwritable` for a device or a pipe, which must not be replaced by a file, and for a
    ///   folder that is not there.
    static func file(_ url: URL) throws(LanguageModelError) -> AtomicFile {
        var status = stat()
        if stat(url.path, &status) == 0, !status.isFile {
            throw .unwritable(path: url.path, reason: "it is no file; name one")
        }
        guard stat(url.resolvingSymlinksInPath().deletingLastPathComponent().path, &status) == 0 else {
            throw .unwritable(path: url.path, reason: "its folder is not there; make it first")
        }
        AtomicFile.removeLeftovers(of: url)
        return try rewording { () throws(FileWriteError) in try AtomicFile(url) }
    }

    /// Turns errors of files into those of language models.
    static func rewording<Result>(
        _ body: () throws(FileWriteError) -> Result
    ) throws(LanguageModelError) -> Result {
        do throws(FileWriteError) {
            return try body()
        } catch {
            throw .unwritable(path: error.path, reason: error.reason)
        }
    }
}

/// A model's lookup of words.
protocol WordTable: Sendable {
    /// Returns a word's number, 0 for unknown words.
    func index(of word: UnsafeRawBufferPointer) -> UInt32
    /// All words by number, if they are stored.
    var words: [String]? { get }
}

extension WordTable {
    func index(of word: String) -> UInt32 {
        var word = word
        return word.withUTF8 { index(of: UnsafeRawBufferPointer($0)) }
    }
}

extension NGramTrie: WordTable {
    var words: [String]? { (0..<wordCount).map { word($0).text } }
}
