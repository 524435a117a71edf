import ArgumentParser
import Cluster
import Decoding
import Foundation
import Recognition

/// `wav2vec2 evaluate`: error rates of a fine-tuned model.
struct EvaluateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Measure a fine-tuned model's word and character error rates on a manifest.",
        discussion: """
            Every utterance counts; one that is too short for a single frame (400 samples) counts as an empty \
            transcript and is named on standard error. 'wav2vec2 launch' spreads the work over several processes.

            Examples:
              wav2vec2 evaluate --checkpoint best --manifest data/test.tsv
              wav2vec2 evaluate --checkpoint best --manifest data/test.tsv --json | jq .wer
            """)

    @OptionGroup var model: CheckpointOptions

    @Option(
        help: "The recordings and what is said in them: a fairseq .tsv, JSON lines, or a folder.", completion: .file())
    var manifest: String

    @Option(help: "The labels' extension beside a .tsv: ltr spells letters, of any other the symbols are words.")
    var labels = "ltr"

    @Option(help: "Write one JSON line an utterance, with reference, hypothesis and errors, to this file.")
    var utterances: String?

    @OptionGroup(title: "Decoding") var decoding: DecodingOptions

    @OptionGroup var compute: ComputeOptions

    @Flag(help: "Print one JSON object; rates are fractions.")
    var json = false

    func run() async throws { try await amongProcesses { try await run(among: $0) } }

    private func run(among cluster: Cluster?) async throws {
        try compute.apply()
        let recognizer = try model.recognizer(
            device: compute.device(among: cluster), decoder: decoding.recognitionDecoder)
        let isLeader = cluster?.isLeader ?? true
        let evaluator = Evaluator(recognizer, among: cluster)
        let evaluation = try await evaluator.evaluate(fileURL(manifest), labels: labels) { done, total in
            if isLeader { Console.progress("evaluate: \(done) of \(total) utterances") }
        }
        guard isLeader else { return }
        for utterance in evaluation.utterances where utterance.isTooShort {
            Console.error(
                "wav2vec2: \(utterance.identifier): is too short for a frame and counts as an empty transcript.")
        }
        if let utterances {
            let lines = try evaluation.utterances.map { try jsonLine(UtteranceReport($0)) + "\n" }
            try Data(lines.joined().utf8).write(to: fileURL(utterances), options: .atomic)
        }
        Console.output(json ? try jsonLine(EvaluationReport(evaluation)) : text(evaluation))
    }

    private func text(_ evaluation: Evaluation) -> String {
        func counts(_ counts: EditCounts) -> String {
            "\(counts.substitutions) substitutions, \(counts.deletions) deletions, \(counts.insertions) insertions"
        }
        let (words, characters) = (evaluation.errors.words.counts, evaluation.errors.characters.counts)
        return """
            WER \(percentage(evaluation.wer))  (\(counts(words)) in \(words.referenceLength) words)
            CER \(percentage(evaluation.cer))  (\(counts(characters)) in \(characters.referenceLength) characters)
            SER \(percentage(evaluation.ser))  (\(evaluation.utterances.count) utterances)
            \(decimal(evaluation.audioSeconds, 1)) s of audio in \(decimal(evaluation.seconds, 1)) s: real-time factor \
            \(decimal(evaluation.realTimeFactor, 3))
            """
    }
}

/// The object that `evaluate --json` prints.
struct EvaluationReport: Encodable {
    var wer: Nullable<Double>
    var cer: Nullable<Double>
    var ser: Nullable<Double>
    var utterances: Int
    var tooShort: Int
    var words: Int
    var substitutions: Int
    var deletions: Int
    var insertions: Int
    var characters: Int
    var characterSubstitutions: Int
    var characterDeletions: Int
    var characterInsertions: Int
    var audioSeconds: Double
    var seconds: Double
    var realTimeFactor: Double

    init(_ evaluation: Evaluation) {
        let (byWord, byCharacter) = (evaluation.errors.words.counts, evaluation.errors.characters.counts)
        wer = Nullable(evaluation.wer)
        cer = Nullable(evaluation.cer)
        ser = Nullable(evaluation.ser)
        utterances = evaluation.utterances.count
        tooShort = evaluation.utterances.filter(\.isTooShort).count
        words = byWord.referenceLength
        substitutions = byWord.substitutions
        deletions = byWord.deletions
        insertions = byWord.insertions
        characters = byCharacter.referenceLength
        characterSubstitutions = byCharacter.substitutions
        characterDeletions = byCharacter.deletions
        characterInsertions = byCharacter.insertions
        audioSeconds = evaluation.audioSeconds
        seconds = evaluation.seconds
        realTimeFactor = evaluation.realTimeFactor
    }
}

/// A line of the file that `evaluate --utterances` writes.
private struct UtteranceReport: Encodable {
    var utterance: String
    var reference: String
    var hypothesis: String
    var confidence: Double
    var seconds: Double
    var wordErrors: Int
    var characterErrors: Int

    init(_ evaluated: EvaluatedUtterance) {
        utterance = evaluated.identifier
        reference = evaluated.reference
        hypothesis = evaluated.transcription.text
        confidence = evaluated.transcription.confidence
        seconds = evaluated.transcription.duration
        wordErrors = evaluated.words.errors
        characterErrors = evaluated.characters.errors
    }
}
