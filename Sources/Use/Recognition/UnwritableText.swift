import W2VBase
import W2VDecoding

/// The part of the references that a model can never output, because its dictionary lacks the letters.
///
/// It counts as errors regardless of the model's output.
public struct UnwritableText: Sendable, Equatable {
    /// The number of characters (code points) of the references that the dictionary lacks.
    public var characters = 0
    /// The number of words with such a character.
    public var words = 0
    /// The number of all words.
    public var allWords = 0
    /// The characters and their numbers of occurrences, the most frequent first; whole words if the dictionary has no
    /// word boundary.
    public var symbols: [(symbol: String, count: Int)] = []
    /// The first utterance with such a character.
    public var firstUtterance: String?
    /// The likely reasons why the characters are missing.
    public var reasons: [MissingLetters.Reason] = []

    /// Starts without counts.
    init() {}

    /// Counts the unwritable text of references.
    ///
    /// - Parameters:
    ///   - references: Utterances' names and transcripts.
    ///   - alphabet: The model's alphabet.
    ///   - split: Splits a reference into words, for models whose word separator is not a space.
    init(
        _ references: some Sequence<(identifier: String, reference: String)>, alphabet: DecodingAlphabet,
        words split: (String) -> [String] = LetterText.words
    ) {
        var counts: [ExactText: Int] = [:]
        var examples: [String] = []
        for (identifier, reference) in references {
            for word in split(reference) {
                allWords += 1
                let missing = alphabet.unspellable(in: word)
                guard !missing.isEmpty else { continue }
                words += 1
                firstUtterance = firstUtterance ?? identifier
                if examples.count < 100 { examples.append(word) }
                for symbol in missing {
                    counts[ExactText(symbol), default: 0] += 1
                    characters += symbol.unicodeScalars.count
                }
            }
        }
        symbols = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key.text, $0.value) }
        for word in examples {
            for reason in MissingLetters(in: word, symbols: alphabet.symbols).reasons where !reasons.contains(reason) {
                reasons.append(reason)
            }
        }
    }

    /// Whether all counts and symbols are equal.
    public static func == (left: UnwritableText, right: UnwritableText) -> Bool {
        left.characters == right.characters && left.words == right.words && left.allWords == right.allWords
            && left.firstUtterance == right.firstUtterance
            && left.symbols.elementsEqual(right.symbols) {
                $0.symbol.hasSameCodePoints(as: $1.symbol) && $0.count == $1.count
            }
            && left.reasons == right.reasons
    }

    /// A warning in one sentence; nil without unwritable text.
    public var warning: String? {
        guard let firstUtterance else { return nil }
        let names =
            symbols.prefix(8).map(\.symbol.quotedWithCodePoints).joined(separator: " ")
            + (symbols.count > 8 ? " and \(symbols.count - 8) others" : "")
        let advice = reasons.prefix(3).map(\.advice)
        return "\(words) of \(allWords) words of the references have characters that the model's dictionary lacks "
            + "(\(names); first in \(firstUtterance.excerpt(1024))) and count as errors: "
            + (advice.isEmpty
                ? "write the references as the transcripts that the model learned from are written."
                : advice.joined(separator: "; ") + ".")
    }
}
