import Foundation
import W2VBase
import W2VDecoding
import W2VRecognition

/// Error counts, rates and their confidence intervals, for all utterances or a group of them.
struct RateReport: Encodable {
    var wer: Nullable<Double>
    var cer: Nullable<Double>
    var ser: Nullable<Double>
    var werInterval: Nullable<[Double]>
    var cerInterval: Nullable<[Double]>
    var serInterval: Nullable<[Double]>
    var utterances: Int
    var wrongUtterances: Int
    var words: Int
    var substitutions: Int
    var deletions: Int
    var insertions: Int
    var substitutionRate: Nullable<Double>
    var deletionRate: Nullable<Double>
    var insertionRate: Nullable<Double>
    var characters: Int
    var characterSubstitutions: Int
    var characterDeletions: Int
    var characterInsertions: Int
    var characterSubstitutionRate: Nullable<Double>
    var characterDeletionRate: Nullable<Double>
    var characterInsertionRate: Nullable<Double>

    init(_ errors: RecognitionErrors, _ intervals: RateIntervals) {
        func bounds(_ interval: ConfidenceInterval?) -> Nullable<[Double]> {
            Nullable(interval.map { [$0.lower, $0.upper] })
        }
        func rate(_ count: Int, _ counts: EditCounts) -> Nullable<Double> {
            Nullable(counts.referenceLength == 0 ? nil : Double(count) / Double(counts.referenceLength))
        }
        let (byWord, byCharacter) = (errors.words.counts, errors.characters.counts)
        wer = Nullable(errors.wer)
        cer = Nullable(errors.cer)
        ser = Nullable(errors.ser)
        werInterval = bounds(intervals.wer)
        cerInterval = bounds(intervals.cer)
        serInterval = bounds(intervals.ser)
        utterances = errors.words.utterances
        wrongUtterances = errors.words.utterancesWithErrors
        words = byWord.referenceLength
        substitutions = byWord.substitutions
        deletions = byWord.deletions
        insertions = byWord.insertions
        substitutionRate = rate(byWord.substitutions, byWord)
        deletionRate = rate(byWord.deletions, byWord)
        insertionRate = rate(byWord.insertions, byWord)
        characters = byCharacter.referenceLength
        characterSubstitutions = byCharacter.substitutions
        characterDeletions = byCharacter.deletions
        characterInsertions = byCharacter.insertions
        characterSubstitutionRate = rate(byCharacter.substitutions, byCharacter)
        characterDeletionRate = rate(byCharacter.deletions, byCharacter)
        characterInsertionRate = rate(byCharacter.insertions, byCharacter)
    }
}

/// The object that `evaluate --json` prints: the keys of a ``RateReport`` and these.
struct EvaluationReport: Encodable {
    /// The utterances with one value of a tag; the keys of a ``RateReport`` and these.
    struct Group: Encodable {
        var tag: String
        var value: Nullable<String>
        var rates: RateReport

        private enum CodingKeys: String, CodingKey { case tag, value }

        func encode(to encoder: any Encoder) throws {
            try rates.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(tag, forKey: .tag)
            try container.encode(value, forKey: .value)
        }
    }

    var rates: RateReport
    var tooShort: Int
    var outOfDictionaryWords: Int
    var outOfDictionaryCharacters: Int
    var bootstrapSets: Int
    var confidenceLevel: Double
    var audioSeconds: Double
    var seconds: Double
    var realTimeFactor: Double
    var characterUnit: String
    /// The form in which texts were compared.
    var textForm: String
    var groups: [Group]
    var worst: [UtteranceReport]

    private enum CodingKeys: String, CodingKey {
        case tooShort, outOfDictionaryWords, outOfDictionaryCharacters, bootstrapSets, confidenceLevel, audioSeconds,
            seconds, realTimeFactor, characterUnit, textForm, groups, worst
    }

    init(
        _ evaluation: Evaluation, _ bootstrap: Bootstrap, tags: [String], worst count: Int, characters: CharacterUnit,
        form: TextForm
    ) {
        characterUnit = characters.rawValue
        textForm = form.description
        rates = RateReport(evaluation.errors, evaluation.intervals(bootstrap))
        tooShort = evaluation.utterances.filter(\.isTooShort).count
        outOfDictionaryWords = evaluation.unwritable.words
        outOfDictionaryCharacters = evaluation.unwritable.characters
        bootstrapSets = bootstrap.sets
        confidenceLevel = bootstrap.level
        audioSeconds = evaluation.audioSeconds
        seconds = (evaluation.seconds * 1000).rounded() / 1000
        realTimeFactor = evaluation.realTimeFactor
        groups = tags.flatMap { evaluation.groups(by: $0) }.map {
            Group(
                tag: $0.tag, value: Nullable($0.value), rates: RateReport($0.errors, $0.intervals(bootstrap)))
        }
        worst = evaluation.worst(count).map(UtteranceReport.init)
    }

    func encode(to encoder: any Encoder) throws {
        try rates.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(tooShort, forKey: .tooShort)
        try container.encode(outOfDictionaryWords, forKey: .outOfDictionaryWords)
        try container.encode(outOfDictionaryCharacters, forKey: .outOfDictionaryCharacters)
        try container.encode(bootstrapSets, forKey: .bootstrapSets)
        try container.encode(confidenceLevel, forKey: .confidenceLevel)
        try container.encode(audioSeconds, forKey: .audioSeconds)
        try container.encode(seconds, forKey: .seconds)
        try container.encode(realTimeFactor, forKey: .realTimeFactor)
        try container.encode(characterUnit, forKey: .characterUnit)
        try container.encode(textForm, forKey: .textForm)
        try container.encode(groups, forKey: .groups)
        try container.encode(worst, forKey: .worst)
    }
}

/// A line of the file that `evaluate --save-predictions` writes.
struct UtteranceReport: Encodable {
    var utterance: String
    var audio: String
    var reference: String
    var hypothesis: String
    var confidence: Double
    var seconds: Double
    var words: Int
    var wordErrors: Int
    var substitutions: Int
    var deletions: Int
    var insertions: Int
    var characters: Int
    var characterErrors: Int
    var tags: [String: String]

    init(_ evaluated: EvaluatedUtterance) {
        utterance = evaluated.identifier
        audio = evaluated.audio
        reference = evaluated.reference
        hypothesis = evaluated.transcription.text
        confidence = evaluated.transcription.confidence
        seconds = evaluated.transcription.duration
        words = evaluated.words.referenceLength
        wordErrors = evaluated.words.errors
        substitutions = evaluated.words.substitutions
        deletions = evaluated.words.deletions
        insertions = evaluated.words.insertions
        characters = evaluated.characters.referenceLength
        characterErrors = evaluated.characters.errors
        tags = evaluated.tags
    }
}
