/// An error rate over a corpus: all edits divided by all reference elements.
///
/// Utterances are pooled, not averaged, so a long utterance weighs more than a short one. An utterance with an empty
/// reference adds its insertions to the errors and nothing to the divisor.
public struct ErrorRate: Sendable, Equatable, Codable {
    /// The pooled counts.
    public private(set) var counts = EditCounts()
    /// The number of utterances added.
    public private(set) var utterances = 0
    /// The number of utterances with at least one error.
    public private(set) var utterancesWithErrors = 0

    /// Makes an empty accumulator.
    public init() {}

    /// Adds one utterance.
    public mutating func add(_ edits: EditCounts) {
        counts = counts + edits
        utterances += 1
        if edits.errors > 0 { utterancesWithErrors += 1 }
    }

    /// Adds another accumulator, so that ranks or threads can count separately.
    public mutating func add(_ other: ErrorRate) {
        counts = counts + other.counts
        utterances += other.utterances
        utterancesWithErrors += other.utterancesWithErrors
    }

    /// Errors per reference element, as a fraction; may exceed 1, and is nil if all references are empty.
    public var rate: Double? {
        counts.referenceLength == 0 ? nil : Double(counts.errors) / Double(counts.referenceLength)
    }

    /// The share of utterances with at least one error; nil if there are no utterances.
    public var utteranceRate: Double? {
        utterances == 0 ? nil : Double(utterancesWithErrors) / Double(utterances)
    }
}

/// The unit of the character error rate.
public enum CharacterUnit: String, CaseIterable, Sendable {
    /// Unicode's code points, as counted by jiwer and sclite: "e" with a combining accent is two.
    case codePoints = "codepoints"
    /// Characters as perceived by a reader (Unicode's extended grapheme clusters): a letter with its marks is one.
    case graphemes
}

/// Word and character error rates over a corpus of transcripts.
///
/// Words are separated by spaces, tabs and line ends. Characters are code points, or optionally grapheme clusters, of
/// the words joined with single spaces: as is common, the spaces between words count as characters. All are compared by
/// their code points. Case and punctuation count: normalize both texts first if they should not.
public struct RecognitionErrors: Sendable, Equatable, Codable {
    /// The word error rate.
    public private(set) var words = ErrorRate()
    /// The character error rate.
    public private(set) var characters = ErrorRate()

    /// Makes an empty accumulator.
    public init() {}

    /// Adds one utterance.
    public mutating func add(reference: String, hypothesis: String, characters unit: CharacterUnit = .codePoints) {
        add(Self.counts(reference: reference, hypothesis: hypothesis, characters: unit))
    }

    /// Adds one utterance whose errors were counted before.
    ///
    /// - Parameter counts: The value of ``counts(reference:hypothesis:characters:)`` for it.
    public mutating func add(_ counts: (words: EditCounts, characters: EditCounts)) {
        words.add(counts.words)
        characters.add(counts.characters)
    }

    /// Counts one utterance's errors.
    ///
    /// - Returns: The counts of words and of characters.
    public static func counts(
        reference: String, hypothesis: String, characters unit: CharacterUnit = .codePoints
    ) -> (words: EditCounts, characters: EditCounts) {
        let said = LetterText.words(in: reference)
        let recognized = LetterText.words(in: hypothesis)
        return (
            EditDistance.counts(reference: said, hypothesis: recognized),
            characterCounts(said.joined(separator: " "), recognized.joined(separator: " "), unit)
        )
    }

    private static func characterCounts(_ said: String, _ recognized: String, _ unit: CharacterUnit) -> EditCounts {
        switch unit {
        case .codePoints:
            EditDistance.counts(
                reference: Array(said.unicodeScalars), hypothesis: Array(recognized.unicodeScalars))
        case .graphemes:
            EditDistance.counts(
                reference: said.map { String($0) }, hypothesis: recognized.map { String($0) })
        }
    }

    /// Adds another accumulator.
    public mutating func add(_ other: RecognitionErrors) {
        words.add(other.words)
        characters.add(other.characters)
    }

    /// The word error rate as a fraction; nil if no reference has a word.
    public var wer: Double? { words.rate }

    /// The character error rate as a fraction; nil if no reference has a character.
    public var cer: Double? { characters.rate }

    /// The sentence error rate: the share of utterances with a word error; nil if there are no utterances.
    public var ser: Double? { words.utteranceRate }
}
