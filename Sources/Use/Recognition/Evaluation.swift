import Foundation
import W2VBase
import W2VDecoding

/// One utterance of an evaluation.
public struct EvaluatedUtterance: Sendable {
    /// The utterance's name in the manifest.
    public var identifier: String
    /// The path of the recording.
    public var audio: String
    /// The reference transcript, in the form in which it is compared.
    public var reference: String
    /// The reference transcript, as the manifest has it.
    public var writtenReference: String
    /// The recognized text with times; without words where the recording is too short for a frame.
    public var transcription: Transcription
    /// The word errors.
    public var words: EditCounts
    /// The character errors.
    public var characters: EditCounts
    /// Whether the recording is too short for a single frame, so that nothing can be recognized in it.
    public var isTooShort: Bool
    /// The tags to group the utterance by, such as its speaker, by name.
    public var tags: [String: String] = [:]

    init(
        identifier: String, audio: String, reference: String, transcription: Transcription, isTooShort: Bool,
        characters unit: CharacterUnit = .codePoints, form: TextForm = TextForm()
    ) {
        let (written, reference) = (reference, form(reference))
        self.identifier = identifier
        self.audio = audio
        self.reference = reference
        writtenReference = written
        self.transcription = transcription
        self.isTooShort = isTooShort
        (words, characters) = RecognitionErrors.counts(
            reference: reference, hypothesis: transcription.text, characters: unit)
    }

    /// The reference words aligned with the recognized ones.
    public var alignment: [AlignedPair<String>] {
        EditDistance.align(
            reference: LetterText.words(in: reference), hypothesis: LetterText.words(in: transcription.text))
    }
}

/// The recognition results and error rates of a model on a set of recordings.
public struct Evaluation: Sendable {
    /// All utterances, in the manifest's order.
    public var utterances: [EvaluatedUtterance]
    /// The parts of the references that the model has no letters for.
    public var unwritable: UnwritableText
    /// The time of recognition in seconds, including decoding of files and excluding loading of the model.
    public var seconds: Double
    /// The pooled error counts.
    public let errors: RecognitionErrors

    init(utterances: [EvaluatedUtterance], unwritable: UnwritableText, seconds: Double) {
        self.utterances = utterances
        self.unwritable = unwritable
        self.seconds = seconds
        errors = pooled(utterances)
    }

    /// The length of all audio in seconds.
    public var audioSeconds: Double { exactSeconds(utterances.reduce(0) { $0 + $1.transcription.duration }) }
    /// The word error rate as a fraction; nil when no reference has a word.
    public var wer: Double? { errors.wer }
    /// The character error rate as a fraction; nil when no reference has a character.
    public var cer: Double? { errors.cer }
    /// The share of utterances with a word error; nil without utterances.
    public var ser: Double? { errors.ser }
    /// The seconds of processing per second of audio.
    public var realTimeFactor: Double { seconds / max(audioSeconds, 1e-9) }

    /// Returns confidence intervals of the rates.
    ///
    /// - Parameter bootstrap: The method of estimation.
    /// - Returns: The intervals.
    public func intervals(_ bootstrap: Bootstrap = Bootstrap()) -> RateIntervals {
        bootstrap.intervals(utterances.map { ($0.words, $0.characters) })
    }

    /// Returns the utterances with the most word errors; ties are broken by character errors.
    ///
    /// - Parameter count: The most utterances to return.
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

    /// Returns the utterances grouped by a tag.
    ///
    /// - Parameter tag: The tag's name.
    /// - Returns: A group for each value, ordered by value; utterances without the tag come last.
    public func groups(by tag: String) -> [EvaluationGroup] {
        let grouped = Dictionary(grouping: utterances) { $0.tags[tag].map { ExactText($0) } }
        let named = grouped.compactMap { value, members in value.map { (value: $0.text, members: members) } }
        return named.sorted { $0.value.compare($1.value, options: .numeric) == .orderedAscending }.map {
            EvaluationGroup(tag: tag, value: $0.value, utterances: $0.members)
        } + (grouped[nil].map { [EvaluationGroup(tag: tag, value: nil, utterances: $0)] } ?? [])
    }

    /// Returns the most frequent word errors.
    ///
    /// - Parameter count: The most errors to return.
    /// - Returns: Pairs of the reference word (nil for an insertion) and the recognized word (nil for a deletion), each
    ///   with its number of occurrences, the most frequent first; ties are ordered by their words.
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
    /// The tag's value; nil for the utterances without the tag.
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

    /// Returns confidence intervals of the group's rates.
    ///
    /// - Parameter bootstrap: The method of estimation.
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
