import Foundation
import W2VBase
import W2VDecoding
import W2VInterchange

/// What a model's labels stand for in text.
struct LabelWriting: Sendable {
    /// What is written for each label; the blank is index 0.
    let texts: [String]
    /// The label between words.
    let boundary: Int?
    /// Whether labels are letters of words; otherwise each is a word of its own, as phonemes are.
    let isSpelled: Bool
    /// Labels that are never written, the blank not among them.
    let silent: Set<Int>
    /// Labels that end a word: the one between words, and letters that are white space.
    let parting: Set<Int>
    /// What is written between words.
    let wordSeparator: String
    /// The same for decoders.
    let alphabet: DecodingAlphabet
    private let lowercases: Bool
    private let cleansUp: Bool

    /// What Transformers' tokenizers replace in a text where they clean it up, in this order.
    private static let replacements = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"),
        (" 've", "'ve"), (" 're", "'re"),
    ]

    /// fairseq's padding and marks of a sentence: never part of a text, should a model write them after all.
    private static let unwritten: Set<String> = ["<s>", "<pad>", "</s>"]

    /// Works it out.
    ///
    /// - Parameters:
    ///   - symbols: The symbol of each label, the blank first.
    ///   - style: How they become text.
    /// - Throws: `DecoderError` when there are no symbols.
    init(symbols: [String], style: TextStyle) throws(DecoderError) {
        isSpelled = style.unit(of: symbols) == .letters
        let delimiter = symbols.firstIndex(of: LetterText.wordBoundary)
        boundary = isSpelled ? delimiter : nil
        var silent = Set(symbols.indices.filter { Self.unwritten.contains(symbols[$0]) })
        if let delimiter, !isSpelled { silent.insert(delimiter) }
        let texts = symbols.map { style.text(of: $0) }
        self.texts = texts
        // What is written as nothing is no word of its own either.
        silent.formUnion(texts.indices.filter { texts[$0].isEmpty })
        self.silent = silent
        let spaces = texts.indices.filter { !texts[$0].isEmpty && LetterText.words(in: texts[$0]).isEmpty }
        parting = isSpelled ? Set(spaces + (delimiter.map { [$0] } ?? [])) : []
        wordSeparator = style.wordSeparator
        lowercases = style.lowercases
        cleansUp = style.cleansUp
        alphabet = try DecodingAlphabet(
            texts: texts.map { style.lowercases ? $0.lowercased() : $0 }, wordBoundary: boundary, isSpelled: isSpelled,
            silent: silent, hasFinalSigma: style.lowercases)
    }

    /// A whole text as it is written in the end.
    ///
    /// - Parameter text: The words and what is between them.
    /// - Returns: The text.
    func finished(_ text: String) -> String {
        guard cleansUp else { return cased(text) }
        return Self.replacements.reduce(cased(text)) { text, pair in
            text.replacingOccurrences(of: pair.0, with: pair.1, options: .literal)
        }
    }

    /// A word as it is written in the end.
    ///
    /// - Parameter text: The word.
    /// - Returns: The text, in lower case if need be; a Greek sigma then depends on its place in the word.
    func cased(_ text: String) -> String {
        lowercases ? text.lowercased(with: Locale(identifier: "en_US_POSIX")) : text
    }

    /// Splits a transcript into words: at white space, and at what this model writes between words.
    func words(in transcript: String) -> [String] {
        let separator = wordSeparator
        guard isSpelled, !LetterText.words(in: separator).isEmpty,
            alphabet.labels(of: separator) == nil
        else { return LetterText.words(in: transcript) }
        return LetterText.words(in: transcript.replacingOccurrences(of: separator, with: " ", options: .literal))
    }
}
