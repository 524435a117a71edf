import W2VAudio
import W2VInference

/// What the model has made of a recording: its log-probabilities, or what reads them as they come.
struct RecordingScores: WindowGatherer {
    private let name: String
    /// Log-probabilities [frames, labels]; empty where a stream reads them instead.
    private(set) var scores: [Float] = []
    private var stream: GreedyTranscription?
    /// The recording's length at 16 kHz, at its end.
    private var samples = 0

    /// Begins with nothing.
    ///
    /// - Parameters:
    ///   - recording: The recording.
    ///   - labels: The labels of the model.
    ///   - input: The form in which the model takes audio.
    ///   - stream: What reads log-probabilities; nil for keeping them.
    init(of recording: Recording, labels: Int, input: ModelInput, stream: GreedyTranscription?) {
        name = recording.name
        self.stream = stream
        guard stream == nil else { return }
        // Log-probabilities of hours are not copied as they grow. What a header promises is believed up to ten hours.
        let frames = min(input.layers.frames(samples: recording.sampleCount), Int(36_000 / input.frameSeconds))
        scores.reserveCapacity(max(0, frames) * labels)
    }

    mutating func append(_ part: [Float]) throws {
        guard Recognizer.isFinite(part) else { throw InferenceError.notFinite(recording: name) }
        guard stream != nil else { return scores.append(contentsOf: part) }
        try stream?.append(part)
    }

    mutating func finished(samples: Int) -> RecordingScores {
        self.samples = samples
        return self
    }

    /// What is said.
    ///
    /// - Throws: `DecodingError` when a score is not a number.
    func transcription(by transcriber: CTCTranscriber, _ detail: TranscriptionDetail) throws -> Transcription {
        let duration = Double(samples) / Double(AudioFile.modelSampleRate)
        guard var stream else { return try transcriber.transcribe(scores, duration: duration, detail: detail) }
        return stream.finished(duration: duration)
    }
}
