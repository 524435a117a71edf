import W2VAudio
import W2VInference

/// The model's output for a recording: its log-probabilities, or a decoder that consumes them as they arrive.
struct RecordingScores: WindowGatherer {
    private let name: String
    /// The log-probabilities [frames, labels]; empty where a stream consumes them.
    private(set) var scores: [Float] = []
    private var stream: GreedyTranscription?
    /// Called with the words so far after every window.
    private let heard: (@Sendable (TranscriptionPart) -> Void)?
    /// The recording's length in samples at 16 kHz, known at its end.
    private var samples = 0

    /// Starts without scores.
    ///
    /// - Parameters:
    ///   - recording: The recording.
    ///   - labels: The number of labels of the model.
    ///   - input: The audio input that the model expects.
    ///   - stream: The decoder that consumes log-probabilities; nil to keep them.
    ///   - heard: Called with the words so far after every window, if there is a stream.
    init(
        of recording: Recording, labels: Int, input: ModelInput, stream: GreedyTranscription?,
        heard: (@Sendable (TranscriptionPart) -> Void)? = nil
    ) {
        name = recording.name
        self.heard = heard
        self.stream = stream
        guard stream == nil else { return }
        // Avoids copying hours of log-probabilities as they grow. The length in a header is trusted up to ten hours.
        let frames = min(input.layers.frames(samples: recording.sampleCount), Int(36_000 / input.frameSeconds))
        scores.reserveCapacity(max(0, frames) * labels)
    }

    mutating func append(_ part: [Float]) throws {
        guard Recognizer.isFinite(part) else { throw InferenceError.notFinite(recording: name) }
        guard stream != nil else { return scores.append(contentsOf: part) }
        try stream?.append(part)
        if let heard, let stream { heard(stream.part) }
    }

    mutating func finished(samples: Int) -> RecordingScores {
        self.samples = samples
        return self
    }

    /// Returns the transcription.
    ///
    /// - Throws: `DecoderError` when a score is NaN.
    func transcription(by transcriber: CTCTranscriber, _ detail: TranscriptionDetail) throws -> Transcription {
        let duration = Double(samples) / Double(AudioFile.modelSampleRate)
        guard var stream else { return try transcriber.transcribe(scores, duration: duration, detail: detail) }
        return stream.finished(duration: duration)
    }
}
