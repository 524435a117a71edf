import W2VBase

/// Symbols in labels that a model should probably not learn: capitals beside small letters, punctuation, digits,
/// separate accents.
public struct LabelDoubts: Sendable, Equatable {
    /// Letters that occur in both cases, as capitals.
    public private(set) var inBothCases: [String] = []
    /// Punctuation and symbols, without apostrophes.
    public private(set) var punctuation: [String] = []
    /// Digits.
    public private(set) var digits: [String] = []
    /// Accents that are symbols of their own.
    public private(set) var accents: [String] = []

    /// Looks for doubtful symbols.
    ///
    /// - Parameter symbols: The symbols of labels, each once.
    public init(symbols: some Sequence<String>) {
        let known = Set(symbols.lazy.map { ExactText($0) })
        for symbol in known.sorted() {
            guard let scalar = symbol.text.unicodeScalars.first, symbol.text.unicodeScalars.count == 1,
                symbol.text != LabelDictionary.wordBoundary
            else { continue }
            let small = symbol.text.lowercased()
            if !small.hasSameCodePoints(as: symbol.text), known.contains(ExactText(small)) {
                inBothCases.append(symbol.text)
            } else if TextForm.isPunctuation(scalar), !TextForm.apostrophes.contains(scalar) {
                punctuation.append(symbol.text)
            } else if scalar.properties.generalCategory == .decimalNumber {
                digits.append(symbol.text)
            } else if scalar.isCombining, scalar.properties.canonicalCombiningClass != .notReordered {
                accents.append(symbol.text)
            }
        }
    }

    /// Looks for doubtful symbols in transcripts.
    ///
    /// - Parameter texts: The transcripts.
    public init(texts: some Sequence<String>) {
        // Nearly all letters are ASCII, so that looking at bytes is fast enough for millions of transcripts.
        var hasASCII = [Bool](repeating: false, count: 128)
        var others: Set<Unicode.Scalar> = []
        for text in texts {
            var isASCII = true
            for byte in text.utf8 {
                if byte < 128 { hasASCII[Int(byte)] = true } else { isASCII = false }
            }
            if !isASCII { others.formUnion(text.unicodeScalars.lazy.filter { !$0.isASCII }) }
        }
        let ascii = hasASCII.indices.filter { hasASCII[$0] }.map { Unicode.Scalar(UInt8($0)) }
        self.init(symbols: (ascii + others).filter { !$0.properties.isWhitespace }.map { String($0) })
    }

    /// One sentence for each kind of doubt, with what to do about it.
    public var sentences: [String] {
        func list(_ symbols: [String]) -> String {
            let shown = symbols.prefix(8).map { symbol in
                symbol.unicodeScalars.allSatisfy { $0.isASCII } ? symbol : symbol.quotedWithCodePoints
            }
            return shown.joined(separator: " ") + (symbols.count > 8 ? " and \(symbols.count - 8) others" : "")
        }
        let doubts: [(symbols: [String], problem: String, consequence: String)] = [
            (
                inBothCases, "letters occur in both cases",
                ", and a model learns each case separately; \(Phrase.foldCase) if that is not intended"
            ),
            (
                punctuation, "the transcripts have punctuation",
                ", which is rarely audible; \(Phrase.stripPunctuation) if that is not intended"
            ),
            (
                digits, "the transcripts have digits",
                ", which do not show how they are spoken; write numbers as words"
            ),
            (
                accents, "accents are separate from their letters",
                ", so each is a symbol of its own; \(Phrase.composeLetters) if that is not intended"
            ),
        ]
        return doubts.filter { !$0.symbols.isEmpty }
            .map { "\($0.problem) (\(list($0.symbols)))\($0.consequence)" }
    }
}
