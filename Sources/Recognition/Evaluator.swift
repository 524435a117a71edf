import Audio
import Cluster
import Corpus
import Decoding
import Foundation

/// One utterance of an evaluation.
public struct EvaluatedUtterance: Sendable {
    /// Its name in the manifest.
    public var identifier: String
    /// What was said.
    public var reference: String
    /// What was recognised, with times; without words where the recording is too short for a frame.
    public var transcription: Transcription
    /// The word errors.
    public var words: EditCounts
    /// The character errors.
    public var characters: EditCounts
    /// Whether the recording is too short for a frame, so that nothing could be recognised in it.
    public var isTooShort: Bool
}

/// How well a model recognises a set of recordings.
public struct Evaluation: Sendable {
    /// All utterances, in the manifest's order.
    public var utterances: [EvaluatedUtterance]
    /// The pooled error counts.
    public var errors: RecognitionErrors
    /// The length of all audio, in seconds.
    public var audioSeconds: Double
    /// How long recognition took, decoding of files included and loading of the model excluded, in seconds.
    public var seconds: Double

    /// The word error rate as a fraction; nil when no reference has a word.
    public var wer: Double? { errors.wer }
    /// The character error rate as a fraction; nil when no reference has a character.
    public var cer: Double? { errors.cer }
    /// The share of utterances with a word error; nil when there are none.
    public var ser: Double? { errors.words.utteranceRate }
    /// Seconds of work a second of audio.
    public var realTimeFactor: Double { seconds / max(audioSeconds, 1e-9) }
}

/// Recognises a manifest's utterances and counts the errors.
///
/// Every utterance counts: one that is too short for a frame counts as an empty transcript, all its words deleted.
public struct Evaluator: Sendable {
    /// What recognises.
    public let recognizer: Recognizer
    /// The processes that share the work, if there are others.
    public let cluster: Cluster?

    /// Makes an evaluator.
    ///
    /// - Parameters:
    ///   - recognizer: What recognises.
    ///   - cluster: The processes that share the work, each with an evaluator of the same manifest; all get the results.
    public init(_ recognizer: Recognizer, among cluster: Cluster? = nil) {
        self.recognizer = recognizer
        self.cluster = cluster
    }

    /// Evaluates a manifest read from a file.
    ///
    /// - Parameters:
    ///   - url: A fairseq manifest with labels beside it, or JSON lines.
    ///   - labels: The extension of the labels: `ltr` spells letters, of any other the symbols are words.
    ///   - progress: Called now and then with the number of utterances done and of all.
    /// - Returns: Rates and results.
    /// - Throws: `CorpusError`, `AudioError` or `RecognitionError` about the data, at the first utterance that is bad.
    public func evaluate(
        _ url: URL, labels: String = "ltr", progress: (@Sendable (Int, Int) -> Void)? = nil
    ) async throws -> Evaluation {
        let manifest = try Manifest.read(url, labels: labels)
        try manifest.validate()
        return try await evaluate(manifest, labels: labels, progress: progress)
    }

    /// Evaluates a manifest.
    ///
    /// - Parameters:
    ///   - manifest: Read with labels.
    ///   - labels: `ltr` where the labels spell letters.
    ///   - progress: Called now and then with the number of utterances done and of all.
    /// - Returns: Rates and results.
    /// - Throws: `CorpusError`, `AudioError` or `RecognitionError` about the data, at the first utterance that is bad.
    public func evaluate(
        _ manifest: Manifest, labels: String = "ltr", progress: (@Sendable (Int, Int) -> Void)? = nil
    ) async throws -> Evaluation {
        guard manifest.hasLabels else { throw CorpusError.noLabels(manifest: manifest.name) }
        let began = ContinuousClock.now
        let recordings = (0..<manifest.count).map { index in
            Recording(manifest[index], tolerance: manifest.lengthTolerance(of: index))
        }
        let total = manifest.count
        let results = try await recognizer.transcribe(recordings, among: cluster) { progress?($0, total) }
        var utterances: [EvaluatedUtterance] = []
        var errors = RecognitionErrors()
        for (index, result) in results.enumerated() {
            let utterance = manifest[index]
            let line = utterance.labels ?? ""
            let reference = labels == "ltr" ? Transcript.text(fromLetters: line) : Transcript.words(line)
            let evaluated = try Self.evaluate(utterance, reference: reference, result)
            errors.add(reference: reference, hypothesis: evaluated.transcription.text)
            utterances.append(evaluated)
        }
        return Evaluation(
            utterances: utterances, errors: errors,
            audioSeconds: utterances.reduce(0) { $0 + $1.transcription.duration },
            seconds: (ContinuousClock.now - began) / .seconds(1))
    }

    private static func evaluate(
        _ utterance: Utterance, reference: String, _ result: Result<Transcription, any Error>
    ) throws -> EvaluatedUtterance {
        let transcription: Transcription
        var isTooShort = false
        do {
            transcription = try result.get()
        } catch RecognitionError.tooShort(_, let samples, _) {
            isTooShort = true
            transcription = Transcription(
                text: "", words: [], confidence: 1, duration: Double(samples) / Double(AudioFile.modelSampleRate))
        }
        var errors = RecognitionErrors()
        errors.add(reference: reference, hypothesis: transcription.text)
        return EvaluatedUtterance(
            identifier: utterance.identifier, reference: reference, transcription: transcription,
            words: errors.words.counts, characters: errors.characters.counts, isTooShort: isTooShort)
    }
}
