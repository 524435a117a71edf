import Foundation
import W2VBase
import W2VDecoding
import W2VInterchange

/// The text of a model's labels.
struct LabelWriting: Sendable {
    /// The text of each label; the blank is index 0.
    let texts: [String]
    /// The label between words.
    let boundary: Int?
    /// Whether labels are letters of words; otherwise each is a word of its own, such as a phoneme.
    let isSpelled: Bool
    /// The labels that are never written, except the blank.
    let silent: Set<Int>
    /// The labels that end a word: the word boundary, and letters that are whitespace.
    let parting: Set<Int>
    /// The text between words.
    let wordSeparator: String
    /// The same information for decoders.
    let alphabet: DecodingAlphabet
    /// The form in which texts are written, whatever the model's labels are.
    var form = TextForm()
    private let lowercases: Bool
    private let cleansUp: Bool

    /// The replacements of Transformers' `clean_up_tokenization`, in order.
    private static let replacements = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"),
        (" 've", "'ve"), (" 're", "'re"),
    ]

    /// fairseq's padding and sentence marks, which never become text, even if a model outputs them.
    private static let unwritten: Set<String> = ["<s>", "<pad>", "</s>"]

    /// Derives the text of labels from their symbols.
    ///
    /// - Parameters:
    ///   - symbols: The symbol of each label, the blank first.
    ///   - style: The rules that turn symbols into text.
    /// - Throws: `DecoderError` when there are no symbols.
    init(symbols: [String], style: TextStyle) throws(DecoderError) {
        isSpelled = style.unit(of: symbols) == .letters
        let delimiter = symbols.firstIndex(of: LetterText.wordBoundary)
        boundary = isSpelled ? delimiter : nil
        var silent = Set(symbols.indices.filter { Self.unwritten.contains(symbols[$0]) })
        if let delimiter, !isSpelled { silent.insert(delimiter) }
        let texts = symbols.map { style.text(of: $0) }
        self.texts = texts
        // A label whose text is empty is not a word of its own either.
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

    /// Returns a whole text in its final form.
    ///
    /// - Parameter text: The words and the separators between them.
    /// - Returns: The text.
    func finished(_ text: String) -> String {
        guard cleansUp else { return cased(text) }
        return Self.replacements.reduce(cased(text)) { text, pair in
            text.replacingOccurrences(of: pair.0, with: pair.1, options: .literal)
        }
    }

    /// Returns the beginning of a text that no further words change, in its final form.
    ///
    /// - Parameter text: The words so far and the separators between them.
    /// - Returns: The text; where punctuation is joined to the word before it, without the last word.
    func settled(_ text: String) -> String {
        let text = finished(text)
        guard cleansUp else { return text }
        return text.range(of: " ", options: .backwards).map { String(text[..<$0.lowerBound]) } ?? ""
    }

    /// Returns a word in its final form.
    ///
    /// - Parameter text: The word.
    /// - Returns: The word, in lower case if the style asks for it, and in the form's case; a Greek sigma then depends on
    ///   its position in the word.
    func cased(_ text: String) -> String {
        form.casing(lowercases ? TextForm(letterCase: .lower)(text) : text)
    }

    /// Returns a word without what the form does not write; empty for punctuation alone.
    ///
    /// - Parameter word: The word, whose case is still that of the labels.
    func formed(_ word: String) -> String {
        TextForm(stripsPunctuation: form.stripsPunctuation, composes: form.composes)(word)
    }

    /// Whether the form leaves out a character of a word.
    func isLeftOut(_ character: String, of word: String) -> Bool {
        form.stripsPunctuation && character.unicodeScalars.allSatisfy(TextForm.isPunctuation)
            && !word.contains(character)
    }

    /// Returns a compared text in the letters of the labels, as far as the form folds their differences.
    ///
    /// - Parameter text: A text in the form.
    /// - Returns: The text, each word in the first spelling that the labels allow.
    func folded(_ text: String) -> String {
        let words = words(in: text).map { word in
            guard alphabet.labels(of: word) == nil else { return word }
            let cases = form.letterCase == .keep ? [word] : [word.uppercased(), word.lowercased()]
            let forms = form.composes ? cases + cases.map(\.decomposedStringWithCanonicalMapping) : cases
            return forms.first { alphabet.labels(of: $0) != nil } ?? word
        }
        return words.joined(separator: " ")
    }

    /// Splits a transcript into words: at whitespace, and at this model's word separator.
    func words(in transcript: String) -> [String] {
        let separator = wordSeparator
        guard isSpelled, !LetterText.words(in: separator).isEmpty,
            alphabet.labels(of: separator) == nil
        else { return LetterText.words(in: transcript) }
        return LetterText.words(in: transcript.replacingOccurrences(of: separator, with: " ", options: .literal))
    }
}
