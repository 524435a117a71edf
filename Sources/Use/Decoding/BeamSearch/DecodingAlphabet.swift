import W2VBase

/// The labels of a model's output, for decoding.
public struct DecodingAlphabet: Sendable, Equatable {
    /// The symbol of each label.
    public let symbols: [String]
    /// The CTC blank's index.
    public let blank: Int
    /// The index of the word boundary; nil where every symbol is a word of its own, as with phonemes.
    public let wordBoundary: Int?
    /// Whether labels are letters of words; without a word boundary all of them make one word.
    public let isSpelled: Bool
    /// Labels that are never written, such as `<pad>`.
    public let silent: Set<Int>
    /// The code points of each symbol.
    let lengths: [Int]
    /// Whether different labels can write the same text, such as "nj" by `nj` or by `n` and `j`.
    let isAmbiguous: Bool
    /// Whether the label σ is written as ς at a word's end, as in lower-case Greek.
    private let hasFinalSigma: Bool
    private let bySymbol: [ExactText: Int]
    /// The symbols of words by their first code point, the longest first.
    private let byFirst: [Unicode.Scalar: [Spelled]]

    private struct Spelled: Sendable, Equatable {
        var label: Int
        var scalars: [Unicode.Scalar]
    }

    /// Makes an alphabet.
    ///
    /// - Parameters:
    ///   - symbols: The symbol of each label.
    ///   - blank: The CTC blank's index.
    ///   - silent: Labels that are never written; the blank may be missing.
    /// - Throws: `DecoderError.blankOutOfRange`.
    public init(
        symbols: [String], blank: Int = 0, wordBoundary: String = LetterText.wordBoundary, silent: Set<Int> = []
    ) throws(DecoderError) {
        let boundary = symbols.firstIndex { $0.hasSameCodePoints(as: wordBoundary) }
        try self.init(
            texts: symbols, blank: blank, wordBoundary: boundary, isSpelled: boundary != nil, silent: silent)
    }

    /// Makes an alphabet from the written texts of labels.
    ///
    /// - Parameters:
    ///   - texts: The written text of each label; of equal texts the first label spells it.
    ///   - blank: The CTC blank's index.
    ///   - isSpelled: Whether labels are letters of words; otherwise each is a word of its own.
    ///   - silent: Labels that are never written; the blank may be missing.
    ///   - hasFinalSigma: Whether texts are finally converted to lower case, so that a σ at a word's end is written as
    ///     ς; a label of its own for ς takes precedence.
    /// - Throws: `DecoderError.blankOutOfRange`.
    public init(
        texts: [String], blank: Int = 0, wordBoundary: Int?, isSpelled: Bool, silent: Set<Int> = [],
        hasFinalSigma: Bool = false
    ) throws(DecoderError) {
        guard texts.indices.contains(blank) else { throw .blankOutOfRange(blank: blank, labels: texts.count) }
        symbols = texts
        self.blank = blank
        self.wordBoundary = wordBoundary
        self.isSpelled = isSpelled
        self.silent = silent
        lengths = texts.map(\.unicodeScalars.count)
        let written = texts.indices.filter { $0 != blank && $0 != wordBoundary && !silent.contains($0) }
        bySymbol = Dictionary(written.map { (ExactText(texts[$0]), $0) }, uniquingKeysWith: { first, _ in first })
        self.hasFinalSigma = hasFinalSigma && !written.contains { texts[$0].unicodeScalars.contains("\u{3C2}") }
        var byFirst: [Unicode.Scalar: [Spelled]] = [:]
        for label in written {
            let scalars = Array(texts[label].unicodeScalars)
            guard let first = scalars.first else { continue }
            byFirst[first, default: []].append(Spelled(label: label, scalars: scalars))
        }
        // Of equally long symbols the first label comes first.
        self.byFirst = byFirst.mapValues { spelled in
            spelled.sorted { ($1.scalars.count, $0.label) < ($0.scalars.count, $1.label) }
        }
        isAmbiguous =
            isSpelled && (bySymbol.count < written.count || written.contains { texts[$0].unicodeScalars.count != 1 })
    }

    /// Returns the label of a symbol of words.
    ///
    /// - Parameter symbol: The symbol, compared by code points.
    /// - Returns: Its label; nil if the alphabet lacks it, and for the blank, the word boundary and silent labels.
    public func label(of symbol: some StringProtocol) -> Int? {
        guard hasFinalSigma, symbol.unicodeScalars.contains("\u{3C2}") else { return bySymbol[ExactText(symbol)] }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars(of: symbol))
        return bySymbol[ExactText(String(text))]
    }

    /// Returns the code points of a word as the labels have them: σ for a final ς.
    func scalars(of word: some StringProtocol) -> [Unicode.Scalar] {
        let scalars = Array(word.unicodeScalars)
        return hasFinalSigma ? scalars.map { $0 == "\u{3C2}" ? "\u{3C3}" : $0 } : scalars
    }

    /// Spells a word with the longest symbols that match.
    ///
    /// If the rest after the longest symbol cannot be spelled, the next shorter one is used: a word is spelled if there
    /// is any way to do it.
    ///
    /// - Returns: Its labels; without a word boundary the label whose symbol is the whole word; nil if the alphabet
    ///   cannot spell it.
    public func labels(of word: String) -> [Int]? {
        guard isSpelled else { return label(of: word).map { [$0] } }
        let scalars = scalars(of: word)
        let steps = spellings(of: scalars)
        var labels: [Int] = []
        var position = 0
        while position < scalars.count {
            guard let step = steps[position].first else { return nil }
            labels.append(step.label)
            position = step.end
        }
        return labels
    }

    /// Returns the code points of a word that no spelling covers, as few as possible.
    ///
    /// - Returns: The code points in order; without a word boundary the whole word; nothing for a word that can be
    ///   spelled.
    public func unspellable(in word: String) -> [String] {
        guard isSpelled else { return label(of: word) == nil ? [word] : [] }
        let scalars = scalars(of: word)
        // From the end: the minimum number of uncovered code points, and where the next symbol or code point begins.
        var missing = [Int](repeating: 0, count: scalars.count + 1)
        var ends = [Int](repeating: 0, count: scalars.count)
        for position in scalars.indices.reversed() {
            (missing[position], ends[position]) = (missing[position + 1] + 1, -1)
            for spelled in matches(scalars, at: position) {
                let end = position + spelled.scalars.count
                if missing[end] < missing[position] { (missing[position], ends[position]) = (missing[end], end) }
            }
        }
        var result: [String] = []
        var position = 0
        while position < scalars.count {
            if ends[position] < 0 { result.append(String(scalars[position])) }
            position = max(ends[position], position + 1)
        }
        return result
    }

    /// Returns all ways to spell a word.
    ///
    /// - Returns: For each position in the word the labels that may start there and their ends, the longest first; only
    ///   those that the rest of the word can follow.
    func spellings(of scalars: [Unicode.Scalar]) -> [[(label: Int, end: Int)]] {
        var steps = [[(label: Int, end: Int)]](repeating: [], count: scalars.count)
        for position in scalars.indices.reversed() {
            for spelled in matches(scalars, at: position) {
                let end = position + spelled.scalars.count
                if end == scalars.count || !steps[end].isEmpty { steps[position].append((spelled.label, end)) }
            }
        }
        return steps
    }

    private func matches(_ scalars: [Unicode.Scalar], at position: Int) -> [Spelled] {
        let candidates = byFirst[scalars[position]] ?? []
        return candidates.filter { scalars[position...].starts(with: $0.scalars) }
    }

    /// The symbols of words, in the order of their code points, for messages.
    var letters: String {
        let letters = bySymbol.keys.sorted().map(\.text)
        return letters.joined(separator: letters.allSatisfy { $0.unicodeScalars.count == 1 } ? "" : " ")
    }
}
