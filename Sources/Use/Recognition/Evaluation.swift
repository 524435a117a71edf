import Foundation
import W2VBase
import W2VDecoding

/// One utterance of an evaluation.
public struct EvaluatedUtterance: Sendable {
    /// Its name in the manifest.
    public var identifier: String
    /// The path of its recording.
    public var audio: String
    /// What was said.
    public var reference: String
    /// What was recognized, with times; without words where the recording is too short for a frame.
    public var transcription: Transcription
    /// The word errors.
    public var words: EditCounts
    /// The character errors.
    public var characters: EditCounts
    /// Whether the recording is too short for a frame, so that nothing could be recognized in it.
    public var isTooShort: Bool
    /// What it can be grouped by, such as its speaker, by the tag's name.
    public var tags: [String: String] = [:]

    init(
        identifier: String, audio: String, reference: String, transcription: Transcription, isTooShort: Bool,
        characters unit: CharacterUnit = .codePoints
    ) {
        self.identifier = identifier
        self.audio = audio
        self.reference = reference
        self.transcription = transcription
        self.isTooShort = isTooShort
        (words, characters) = RecognitionErrors.counts(
            reference: reference, hypothesis: transcription.text, characters: unit)
    }

    /// Its words beside what was recognized.
    public var alignment: [AlignedPair<String>] {
        EditDistance.align(
            reference: LetterText.words(in: reference), hypothesis: LetterText.words(in: transcription.text))
    }
}

/// How well a model recognizes a set of recordings.
public struct Evaluation: Sendable {
    /// All utterances, in the manifest's order.
    public var utterances: [EvaluatedUtterance]
    /// What of the references the model has no letters for.
    public var unwritable: UnwritableText
    /// How long recognition took, decoding of files included and loading of the model excluded, in seconds.
    public var seconds: Double
    /// The pooled error counts.
    public let errors: RecognitionErrors

    init(utterances: [EvaluatedUtterance], unwritable: UnwritableText, seconds: Double) {
        self.utterances = utterances
        self.unwritable = unwritable
        self.seconds = seconds
        errors = pooled(utterances)
    }

    /// The length of all audio, in seconds.
    public var audioSeconds: Double { exactSeconds(utterances.reduce(0) { $0 + $1.transcription.duration }) }
    /// The word error rate as a fraction; nil when no reference has a word.
    public var wer: Double? { errors.wer }
    /// The character error rate as a fraction; nil when no reference has a character.
    public var cer: Double? { errors.cer }
    /// The share of utterances with a word error; nil when there are none.
    public var ser: Double? { errors.ser }
    /// Seconds of work a second of audio.
    public var realTimeFactor: Double { seconds / max(audioSeconds, 1e-9) }

    /// Confidence intervals of the rates.
    ///
    /// - Parameter bootstrap: How they are estimated.
    /// - Returns: The intervals.
    public func intervals(_ bootstrap: Bootstrap = Bootstrap()) -> RateIntervals {
        bootstrap.intervals(utterances.map { ($0.words, $0.characters) })
    }

    /// The utterances with the most word errors; of equals those with the most character errors.
    ///
    /// - Parameter count: At most how many.
    /// - Returns: Utterances with errors, the worst first.
    public func worst(_ count: Int) -> [EvaluatedUtterance] {
        let wrong = utterances.filter { $0.words.errors > 0 || $0.characters.errors > 0 }
        return Array(
            wrong.enumerated().sorted { first, second in
                let (left, right) = (first.element, second.element)
                return (right.words.errors, right.characters.errors, first.offset)
                    < (left.words.errors, left.characters.errors, second.offset)
            }.prefix(max(count, 0)).map(\.element))
    }

    /// The utterances grouped by a tag.
    ///
    /// - Parameter tag: The tag's name.
    /// - Returns: A group for each value, by value; the utterances without the tag last.
    public func groups(by tag: String) -> [EvaluationGroup] {
        let grouped = Dictionary(grouping: utterances) { $0.tags[tag].map { ExactText($0) } }
        let named = grouped.compactMap { value, members in value.map { (value: $0.text, members: members) } }
        return named.sorted { $0.value.compare($1.value, options: .numeric) == .orderedAscending }.map {
            EvaluationGroup(tag: tag, value: $0.value, utterances: $0.members)
        } + (grouped[nil].map { [EvaluationGroup(tag: tag, value: nil, utterances: $0)] } ?? [])
    }

    /// The most frequent word errors.
    ///
    /// - Parameter count: At most how many.
    /// - Returns: Pairs of what was said (nil for an insertion) and what was recognized (nil for a deletion), each with
    ///   how often it occurs, the most frequent first; equals by their words.
    public func confusions(_ count: Int) -> [(reference: String?, hypothesis: String?, count: Int)] {
        var counts: [[ExactText?]: Int] = [:]
        for utterance in utterances where utterance.words.errors > 0 {
            for pair in utterance.alignment {
                let words = [pair.reference, pair.hypothesis].map { $0.map { ExactText($0) } }
                if words[0] != words[1] { counts[words, default: 0] += 1 }
            }
        }
        let sorted = counts.sorted { first, second in
            let (left, right) = (first.key.map { $0?.text ?? "" }, second.key.map { $0?.text ?? "" })
            return (second.value, left[0], left[1]) < (first.value, right[0], right[1])
        }
        return sorted.prefix(max(count, 0)).map { ($0.key[0]?.text, $0.key[1]?.text, $0.value) }
    }
}

/// The utterances of an evaluation that have one value of a tag.
public struct EvaluationGroup: Sendable {
    /// The tag's name.
    public var tag: String
    /// Its value; nil for the utterances that have none.
    public var value: String?
    /// The utterances.
    public var utterances: [EvaluatedUtterance]
    /// The pooled error counts.
    public let errors: RecognitionErrors

    init(tag: String, value: String?, utterances: [EvaluatedUtterance]) {
        self.tag = tag
        self.value = value
        self.utterances = utterances
        errors = pooled(utterances)
    }

    /// Confidence intervals of the group's rates.
    ///
    /// - Parameter bootstrap: How they are estimated.
    /// - Returns: The intervals.
    public func intervals(_ bootstrap: Bootstrap = Bootstrap()) -> RateIntervals {
        bootstrap.intervals(utterances.map { ($0.words, $0.characters) })
    }
}

private func pooled(_ utterances: [EvaluatedUtterance]) -> RecognitionErrors {
    var errors = RecognitionErrors()
    for utterance in utterances { errors.add((utterance.words, utterance.characters)) }
    return errors
}
