import Foundation

/// The letters of a text that a set of symbols lacks, and how they differ from symbols that it has.
///
/// For messages: a screen shows "é" and "é", or ’ and ', nearly or exactly alike.
public struct MissingLetters: Sendable, Equatable {
    /// The difference between a text and what the symbols can spell.
    public enum Reason: Sendable, Hashable {
        /// The text has lower-case letters, the symbols are capitals.
        case smallLetters
        /// The text has capitals, the symbols are lower-case.
        case capitals
        /// The text has letters and accents as separate code points (Unicode's NFD), the symbols as one (NFC).
        case decomposed
        /// The text has letters with their accents as one code point (NFC), the symbols as separate ones (NFD).
        case composed
        /// The text has a letter that looks like one of the symbols.
        case lookAlike(letter: String, symbol: String)

        /// The problem and what to do about it, as the end of a sentence.
        public var advice: String {
            switch self {
            case .smallLetters: "the text has small letters and the dictionary capitals: write the text in capitals"
            case .capitals: "the text has capitals and the dictionary small letters: write the text in small letters"
            case .decomposed:
                "the text is decomposed and the dictionary composed (Unicode's NFC): convert the text, as with "
                    + "uconv -x any-nfc"
            case .composed:
                "the text is composed and the dictionary decomposed (Unicode's NFD): convert the text, as with "
                    + "uconv -x any-nfd"
            case .lookAlike(let letter, let symbol):
                "the text has \(Self.named(letter)) where the dictionary has \(Self.named(symbol)): replace it"
            }
        }

        private static func named(_ text: String) -> String {
            "\"\(text.printable)\" (\(text.unicodeScalars.map(\.codePoint).joined(separator: " ")))"
        }
    }

    /// The letters, each once, in the order of the text.
    public let letters: [String]
    /// The possible reasons, each once; empty if there is no known one.
    public let reasons: [Reason]

    /// Finds the letters that no symbol covers.
    ///
    /// - Parameter symbols: The known symbols, each of one code point or more.
    public init(in text: String, symbols: some Sequence<String>) {
        let known = Set(symbols.lazy.map { ExactText($0) })
        let longest = known.reduce(1) { max($0, $1.text.unicodeScalars.count) }
        func missing(_ text: String) -> [String] { Self.uncovered(text, known, longest: longest) }
        letters = missing(text)
        var reasons: [Reason] = []
        func note(_ reason: Reason) { if !reasons.contains(reason) { reasons.append(reason) } }
        var rest = letters
        let composed = text.precomposedStringWithCanonicalMapping
        let decomposed = text.decomposedStringWithCanonicalMapping
        if missing(composed).count < rest.count, text.isDecomposed {
            note(.decomposed)
            rest = missing(composed)
        } else if missing(decomposed).count < rest.count {
            note(.composed)
            rest = missing(decomposed)
        } else if rest.contains(where: { Self.isAccent($0, of: known) }) {
            note(.decomposed)
            rest.removeAll { Self.isAccent($0, of: known) }
        }
        for letter in rest {
            if missing(letter.uppercased()).isEmpty {
                note(.smallLetters)
            } else if missing(letter.lowercased()).isEmpty {
                note(.capitals)
            } else if let symbol = Self.lookAlikes(of: letter).first(where: { missing($0).isEmpty }) {
                note(.lookAlike(letter: letter, symbol: symbol))
            }
        }
        self.reasons = reasons
    }

    /// Returns the code points that are part of no symbol, the longest symbols first.
    private static func uncovered(_ text: String, _ known: Set<ExactText>, longest: Int) -> [String] {
        let scalars = Array(text.unicodeScalars)
        var found: [ExactText] = []
        var position = 0
        while position < scalars.count {
            let most = min(longest, scalars.count - position)
            let length = (1...most).reversed().first { length in
                known.contains(ExactText(joined(scalars[position..<(position + length)])))
            }
            if length == nil, !found.contains(ExactText(String(scalars[position]))) {
                found.append(ExactText(String(scalars[position])))
            }
            position += length ?? 1
        }
        return found.map(\.text)

        func joined(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
            var text = ""
            text.unicodeScalars.append(contentsOf: scalars)
            return text
        }
    }

    /// Returns whether a letter is an accent that occurs in symbols together with the letter before it.
    private static func isAccent(_ letter: String, of known: Set<ExactText>) -> Bool {
        guard let mark = letter.unicodeScalars.first, mark.isCombining else { return false }
        return known.contains { symbol in
            !symbol.text.isDecomposed && !symbol.text.unicodeScalars.contains(mark)
                && symbol.text.decomposedStringWithCanonicalMapping.unicodeScalars.contains(mark)
        }
    }

    /// Characters that are often used for each other.
    private static let groups = [
        "'\u{2019}\u{2018}\u{201B}\u{2BC}\u{2BB}\u{2B9}\u{2032}\u{FF07}\u{60}\u{B4}\u{55A}\u{5F3}\u{A78C}",
        "-\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2212}\u{FE63}\u{FF0D}\u{AD}",
        "\"\u{201C}\u{201D}\u{201E}\u{AB}\u{BB}\u{FF02}",
    ].map { Array($0.unicodeScalars) }

    /// Returns the letters that a letter may stand for: others of its group, and those that Unicode considers
    /// compatible.
    public static func lookAlikes(of letter: String) -> [String] {
        guard let scalar = letter.unicodeScalars.first else { return [] }
        let others = groups.filter { $0.contains(scalar) }.flatMap { $0 }.filter { $0 != scalar }.map { String($0) }
        let compatible = letter.precomposedStringWithCompatibilityMapping
        return others + [compatible, compatible.uppercased(), compatible.lowercased()]
    }
}
