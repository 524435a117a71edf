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

    /// Adds what another accumulator holds, so that ranks or threads can count apart.
    public mutating func add(_ other: ErrorRate) {
        counts = counts + other.counts
        utterances += other.utterances
        utterancesWithErrors += other.utterancesWithErrors
    }

    /// Errors a reference element, as a fraction; may exceed 1, and is nil when all references together are empty.
    public var rate: Double? {
        counts.referenceLength == 0 ? nil : Double(counts.errors) / Double(counts.referenceLength)
    }

    /// The share of utterances with at least one error; nil when there are none.
    public var utteranceRate: Double? {
        utterances == 0 ? nil : Double(utterancesWithErrors) / Double(utterances)
    }
}

/// What counts as one character.
public enum CharacterUnit: String, CaseIterable, Sendable {
    /// Unicode's code points, as jiwer and sclite count: "e" with a combining accent is two.
    case codePoints = "codepoints"
    /// What a reader takes for one character (Unicode's extended grapheme clusters): a letter with its marks is one.
    case graphemes
}

/// Word and character error rates over a corpus of transcripts.
///
/// Words are what spaces, tabs and line ends separate. Characters are code points, or grapheme clusters where that is
/// asked for, of the words joined with single spaces: the spaces between words count as characters, as is common.
/// All are compared by their code points. Case and punctuation count as they stand: normalize both texts first where
/// they should not.
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

    /// Adds one utterance whose errors were counted.
    ///
    /// - Parameter counts: What ``counts(reference:hypothesis:characters:)`` gave for it.
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

    /// Adds what another accumulator holds.
    public mutating func add(_ other: RecognitionErrors) {
        words.add(other.words)
        characters.add(other.characters)
    }

    /// The word error rate as a fraction; nil when no reference has a word.
    public var wer: Double? { words.rate }

    /// The character error rate as a fraction; nil when no reference has a character.
    public var cer: Double? { characters.rate }

    /// The share of utterances with a word error; nil when there are none.
    public var ser: Double? { words.utteranceRate }
}
