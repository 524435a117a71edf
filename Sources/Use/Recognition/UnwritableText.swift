import W2VBase
import W2VDecoding

/// What of the references a model can never write, because its dictionary lacks the letters.
///
/// These are errors whatever the model hears, and they are counted as such.
public struct UnwritableText: Sendable, Equatable {
    /// How many characters (code points) of the references the dictionary lacks.
    public var characters = 0
    /// How many words have such a character.
    public var words = 0
    /// How many words there are.
    public var allWords = 0
    /// The characters and how often each occurs, the most frequent first; without a word boundary in the dictionary,
    /// whole words.
    public var symbols: [(symbol: String, count: Int)] = []
    /// The first utterance with one.
    public var firstUtterance: String?
    /// What may be the matter with the characters.
    public var reasons: [MissingLetters.Reason] = []

    /// Counts nothing.
    init() {}

    /// Counts what of some references cannot be written.
    ///
    /// - Parameters:
    ///   - references: Names of utterances with what is said in them.
    ///   - alphabet: What the model writes.
    ///   - split: How a reference is split into words, where the model writes something else than a space between them.
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

    /// Whether all symbols are the same.
    public static func == (left: UnwritableText, right: UnwritableText) -> Bool {
        left.characters == right.characters && left.words == right.words && left.allWords == right.allWords
            && left.firstUtterance == right.firstUtterance
            && left.symbols.elementsEqual(right.symbols) {
                $0.symbol.hasSameCodePoints(as: $1.symbol) && $0.count == $1.count
            }
            && left.reasons == right.reasons
    }

    /// One sentence about them; nil where there are none.
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
