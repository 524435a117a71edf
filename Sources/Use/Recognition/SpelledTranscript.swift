import Foundation
import W2VBase
import W2VDecoding

/// A transcript's words, as they are written and as a model's labels spell them.
///
/// A word is spelled in the case, the composition and with the apostrophes that the alphabet has. Punctuation that it
/// lacks is not spoken: it is left out of the spelling and stays in the written word.
struct SpelledTranscript {
    /// A word as it is written.
    private struct Word {
        var written: String
        /// The labels of its parts, which are words for the model: two for `well-known`.
        var parts: [[Int]]
    }

    private var words: [Word] = []

    /// Spells a transcript.
    ///
    /// - Parameters:
    ///   - words: The words as they are written.
    ///   - alphabet: The model's labels.
    ///   - letters: The letters of the alphabet, for messages.
    /// - Throws: `DecoderError.emptyTranscript` without a word that is spoken; `DecoderError.unspellable`.
    init(_ written: [String], alphabet: DecodingAlphabet, letters: @autoclosure () -> String) throws(DecoderError) {
        var before = ""
        for word in written {
            guard let parts = Self.parts(of: word, alphabet) else {
                throw .unspellable(word: word, symbols: letters())
            }
            if !parts.isEmpty {
                words.append(Word(written: before + word, parts: parts))
                before = ""
            } else if words.isEmpty {
                // A dash or a quotation mark that stands alone belongs to the word beside it.
                before += word + " "
            } else {
                words[words.count - 1].written += " " + word
            }
        }
        if words.isEmpty { throw .emptyTranscript }
    }

    /// The labels of each of the model's words.
    var labels: [[Int]] { words.flatMap(\.parts) }

    /// Returns an alignment of the labels with the words as they are written.
    ///
    /// - Parameter aligned: The words that ``labels`` spell, with their times.
    func written(_ aligned: TimedTranscript) -> TimedTranscript {
        // Without a word boundary all labels make one word.
        guard aligned.words.count == words.reduce(0, { $0 + $1.parts.count }) else { return aligned }
        var result = aligned
        result.words = []
        var next = 0
        for word in words {
            let parts = zip(word.parts, aligned.words[next..<(next + word.parts.count)])
            next += word.parts.count
            let (first, last) = (aligned.words[next - word.parts.count], aligned.words[next - 1])
            let letters = word.parts.reduce(0) { $0 + $1.count }
            // The geometric mean of all letters' probabilities, as for a single part.
            let score = parts.reduce(0) { $0 + Double($1.0.count) * log($1.1.confidence) } / Double(max(1, letters))
            let confidence = word.parts.count == 1 ? first.confidence : exp(score)
            result.words.append(
                TimedText(text: word.written, start: first.start, end: last.end, confidence: confidence))
        }
        return result
    }

    // MARK: - Spelling

    /// Returns the labels of a word's parts; none for punctuation, nil if it cannot be spelled.
    private static func parts(of word: String, _ alphabet: DecodingAlphabet) -> [[Int]]? {
        if let labels = labels(of: word, alphabet) { return [labels] }
        guard alphabet.isSpelled, !word.unicodeScalars.contains(where: isSpoken) else { return nil }
        var parts: [[Int]] = []
        for part in TextForm(stripsPunctuation: true)(word).whitespaceSeparated {
            let bare = String(
                String.UnicodeScalarView(part.unicodeScalars.filter { !TextForm.apostrophes.contains($0) }))
            guard let labels = labels(of: String(part), alphabet) ?? labels(of: bare, alphabet) else { return nil }
            parts.append(labels)
        }
        return parts
    }

    /// Whether a symbol is read aloud, unlike punctuation: %, &, currencies, mathematical signs.
    private static func isSpoken(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .currencySymbol, .mathSymbol, .otherSymbol: true
        default: ["%", "&", "@", "#", "\u{A7}"].contains(scalar)
        }
    }

    /// Returns the labels of a word, as it is or folded.
    private static func labels(of word: String, _ alphabet: DecodingAlphabet) -> [Int]? {
        for form in forms(of: word) {
            if let labels = alphabet.labels(of: form) { return labels }
        }
        // A word may need several foldings at once: letter by letter.
        guard alphabet.isSpelled else { return nil }
        var labels: [Int] = []
        for letter in word {
            let forms = forms(of: String(letter)) + MissingLetters.lookAlikes(of: String(letter))
            guard let own = forms.lazy.compactMap({ alphabet.labels(of: $0) }).first(where: { !$0.isEmpty }) else {
                return nil
            }
            labels += own
        }
        return labels
    }

    private static func forms(of text: String) -> [String] {
        let cases = [text, TextForm(letterCase: .upper)(text), TextForm(letterCase: .lower)(text)]
        return cases + cases.map(\.precomposedStringWithCanonicalMapping)
            + cases.map(\.decomposedStringWithCanonicalMapping)
    }
}
