import Foundation
import W2VBase

/// Builds an n-gram language model from text: interpolated modified Kneser-Ney smoothing, written as an ARPA file.
///
/// The model is the same as that of KenLM's `lmplz`. Text is counted in memory up to a limit and on disk beyond it, so
/// a corpus may be much larger than the memory; only the distinct words must fit. Source: Chen and Goodman 1998,
/// sections 3 and 4.1.6; Heafield et al. 2013, "Scalable modified Kneser-Ney language model estimation".
///
///     let builder = try LanguageModelBuilder(options: .init(order: 3))
///     try builder.add(URL(filePath: "text.txt"))
///     try builder.write(to: URL(filePath: "3-gram.arpa.gz"))
public final class LanguageModelBuilder {
    /// The options of a model.
    public struct Options: Sendable {
        /// The length of the longest n-grams.
        public var order: Int
        /// For each order, the number of occurrences up to which n-grams are pruned; the last value applies to longer
        /// ones too.
        public var prune: [Int]
        /// Discounts for n-grams that occur once, twice, and three times or more, if the text is too small or unusual
        /// to estimate them; nil makes that an error.
        public var fallback: [Float]?
        /// The memory for sorting, in bytes.
        public var memory: Int
        /// The folder for data that exceeds the memory while the model is built.
        public var temporaryFolder: URL

        /// Makes options.
        ///
        /// - Parameters:
        ///   - order: The length of the longest n-grams.
        ///   - prune: For each order, the number of occurrences up to which n-grams are pruned.
        ///   - fallback: Discounts to use if they cannot be estimated.
        ///   - memory: The memory for sorting, in bytes.
        ///   - temporaryFolder: The folder for sorted runs.
        public init(
            order: Int, prune: [Int] = [], fallback: [Float]? = nil, memory: Int = 1 << 30,
            temporaryFolder: URL = FileManager.default.temporaryDirectory
        ) {
            self.order = order
            self.prune = prune
            self.fallback = fallback
            self.memory = memory
            self.temporaryFolder = temporaryFolder
        }
    }

    /// Statistics of a model.
    public struct Summary: Sendable, Equatable {
        /// Words of text, without sentence ends.
        public var tokens: Int
        /// For each order, the number of the model's n-grams.
        public var counts: [Int]
        /// For each order, the discounts of n-grams that occur once, twice, and more often.
        public var discounts: [[Float]]
    }

    static let unknown: UInt32 = 0
    static let begin: UInt32 = 1
    static let end: UInt32 = 2

    private let options: Options
    private let thresholds: [UInt64]
    private var words = ["<unk>", "<s>", "</s>"]
    private var numbers: [Data: UInt32] = [:]
    private var full: SortedRecords
    private var tokens = 0
    private var lines = 0

    /// Starts a model.
    ///
    /// - Throws: `DecoderError.badOption`.
    public init(options: Options) throws(DecoderError) {
        guard 1...NGramState.maximumOrder ~= options.order else {
            throw .badOption(name: "order", value: "\(options.order)", expected: "from 1 to \(NGramState.maximumOrder)")
        }
        let prune = options.prune
        guard prune.count <= options.order, prune.first ?? 0 == 0, prune.allSatisfy({ $0 >= 0 }),
            zip(prune, prune.dropFirst()).allSatisfy({ $0 <= $1 })
        else {
            throw .badOption(
                name: "prune", value: prune.map(String.init).joined(separator: " "),
                expected: "0 for words, and then for each order at least as much as for the order below")
        }
        if let fallback = options.fallback {
            let isGood = 1...3 ~= fallback.count && fallback.enumerated().allSatisfy { 0...Float($0 + 1) ~= $1 }
            guard isGood else {
                throw .badOption(
                    name: "discount_fallback", value: fallback.map { "\($0)" }.joined(separator: " "),
                    expected: "up to three discounts, of which the first is at most 1, the second 2 and the third 3")
            }
        }
        self.options = options
        thresholds = (0..<options.order).map { UInt64($0 < prune.count ? prune[$0] : prune.last ?? 0) }
        for (number, word) in words.enumerated() { numbers[Data(word.utf8)] = UInt32(number) }
        // Programs that read the model treat both as the unknown word.
        numbers[Data("<UNK>".utf8)] = Self.unknown
        full = SortedRecords(
            width: options.order + 2, keyLength: options.order, memory: options.memory / 2,
            folder: options.temporaryFolder, combines: true)
    }

    /// Counts a text: one sentence per line, words separated by spaces or tabs.
    ///
    /// - Parameters:
    ///   - url: The file, UTF-8, plain or compressed by gzip.
    ///   - progress: Called occasionally with the number of lines so far.
    /// - Throws: `LanguageModelError`, naming a line that is not UTF-8, or contains `<s>`, `</s>`, `<unk>` or `<UNK>`,
    ///   which are reserved.
    public func add(_ url: URL, progress: ((Int) -> Void)? = nil) throws(LanguageModelError) {
        var reader = try LineReader(url, unpacks: true)
        let order = options.order
        var history = [UInt32](repeating: Self.begin, count: order)
        func count(_ word: UInt32) throws(LanguageModelError) {
            // Newest first: sorted in this way, n-grams with equal ends are adjacent.
            for index in stride(from: order - 1, to: 0, by: -1) { history[index] = history[index - 1] }
            history[0] = word
            try full.append { record in
                for index in 0..<order { record[index] = history[index] }
                SortedRecords.store(1, record + order)
            }
        }
        while let line = try reader.next() {
            let lineNumber = reader.number
            for index in 0..<order { history[index] = Self.begin }
            try line.forEachField { field throws(LanguageModelError) in
                let key = Data(field)
                if let known = numbers[key] {
                    guard known > Self.end else {
                        throw .badLine(
                            path: url.path, line: lineNumber,
                            expected: "words other than <s>, </s>, <unk> and <UNK>, which the model adds by itself",
                            found: field.text)
                    }
                    try count(known)
                } else {
                    let number = UInt32(words.count)
                    numbers[key] = number
                    words.append(field.text)
                    try count(number)
                }
                tokens += 1
            }
            try count(Self.end)
            lines += 1
            if lines.isMultiple(of: 10_000) { progress?(lines) }
        }
    }

    /// Estimates the model and writes it, under a temporary name until it is complete; the builder cannot be used
    /// afterward.
    ///
    /// - Parameter url: The ARPA file, compressed if its name ends in `.gz`; it replaces an existing one.
    /// - Throws: `LanguageModelError`: when there was no text, when the discounts cannot be estimated, when the disk is
    ///   full.
    @discardableResult public func write(to url: URL) throws(LanguageModelError) -> Summary {
        guard tokens > 0 else {
            throw .unusable(path: url.path, reason: "cannot be made: the text has no words; give sentences, one a line")
        }
        numbers = [:]
        let estimator = KneserNeyEstimator(
            order: options.order, thresholds: thresholds, fallback: options.fallback, memory: options.memory,
            folder: options.temporaryFolder, wordCount: words.count, path: url.path)
        try estimator.adjust(full)
        let counts = try estimator.estimate()
        let writer = try ARPAWriter(url, words: words, counts: counts)
        for order in 1...options.order {
            try writer.beginSection(order)
            try estimator.forEachEntry(order) { words, probability, backoff throws(LanguageModelError) in
                try writer.entry(words, probability, order < options.order ? backoff : nil)
            }
        }
        try writer.finish()
        return Summary(tokens: tokens, counts: counts, discounts: estimator.discounts.map { Array($0.dropFirst()) })
    }
}
