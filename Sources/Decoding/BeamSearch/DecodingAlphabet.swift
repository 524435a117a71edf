/// What the columns of a model's scores stand for.
public struct DecodingAlphabet: Sendable, Equatable {
    /// The symbol of each label.
    public let symbols: [String]
    /// The CTC blank's index.
    public let blank: Int
    /// The index of the symbol between words; nil where every symbol is a word of its own, as with phonemes.
    public let wordBoundary: Int?
    /// Whether labels are letters of words; with no symbol between words all of them make one word.
    public let isSpelled: Bool
    /// Labels that are never written, such as `<pad>`.
    public let silent: Set<Int>
    /// The code points of each symbol.
    let lengths: [Int]
    private let bySymbol: [String: Int]

    /// Makes an alphabet.
    ///
    /// - Parameters:
    ///   - symbols: The symbol of each label.
    ///   - blank: The CTC blank's index.
    ///   - wordBoundary: The symbol between words.
    ///   - silent: Labels that are never written; the blank need not be among them.
    /// - Throws: `DecodingError.blankOutOfRange`.
    public init(
        symbols: [String], blank: Int = 0, wordBoundary: String = LetterText.wordBoundary, silent: Set<Int> = []
    ) throws(DecodingError) {
        let boundary = symbols.firstIndex(of: wordBoundary)
        try self.init(
            texts: symbols, blank: blank, wordBoundary: boundary, isSpelled: boundary != nil, silent: silent)
    }

    /// Makes an alphabet of what is written for labels.
    ///
    /// - Parameters:
    ///   - texts: What is written for each label; of equal texts the first label is the one that spells it.
    ///   - blank: The CTC blank's index.
    ///   - wordBoundary: The label between words.
    ///   - isSpelled: Whether labels are letters of words; otherwise each is a word of its own.
    ///   - silent: Labels that are never written; the blank need not be among them.
    /// - Throws: `DecodingError.blankOutOfRange`.
    public init(
        texts: [String], blank: Int = 0, wordBoundary: Int?, isSpelled: Bool, silent: Set<Int> = []
    ) throws(DecodingError) {
        guard texts.indices.contains(blank) else { throw .blankOutOfRange(blank: blank, labels: texts.count) }
        symbols = texts
        self.blank = blank
        self.wordBoundary = wordBoundary
        self.isSpelled = isSpelled
        self.silent = silent
        lengths = texts.map(\.unicodeScalars.count)
        let written = texts.indices.filter { $0 != blank && $0 != wordBoundary && !silent.contains($0) }
        bySymbol = Dictionary(written.map { (texts[$0], $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Spells a word.
    ///
    /// - Parameter word: Without spaces.
    /// - Returns: One label a code point, or the label whose symbol the whole word is where there is no word boundary;
    ///   nil where the alphabet lacks one.
    public func labels(of word: String) -> [Int]? {
        guard isSpelled else { return bySymbol[word].map { [$0] } }
        var labels: [Int] = []
        for scalar in word.unicodeScalars {
            guard let label = bySymbol[String(scalar)] else { return nil }
            labels.append(label)
        }
        return labels
    }
}
