import Foundation
import W2VAudio
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VDecoding
import W2VInference
import W2VInterchange
import W2VObjectives
import W2VTorch

/// A speech recognizer with a fine-tuned model: recordings in, words with times and confidences out.
///
///     let recognizer = try await Recognizer(checkpoint: URL(filePath: "tuned/best"))
///     let transcription = try await recognizer.transcribe(URL(filePath: "interview.flac"))
///     print(transcription.text)
///
/// Several recordings share a pass of the model, and a result never depends on what shares its pass. Recordings of more
/// than 40 s are recognized in overlapping windows, which are read as they are needed: even for recordings of hours,
/// only the audio of the next two passes and the transcription are in memory. A beam search, and a request for
/// log-probabilities, take 4 more bytes per label and frame. The model runs on a thread of its own. Any number of tasks
/// may use it, and each of them may be canceled.
public final class Recognizer: Sendable {
    /// The symbol of each label; the blank is index 0.
    public let symbols: [String]
    /// The rules that turn symbols into text.
    public let style: TextStyle
    /// The text of the labels, for decoders.
    public var alphabet: DecodingAlphabet { transcriber.writing.alphabet }
    /// Notes on the checkpoint for the model's users; empty for a model that was not loaded from a file.
    public let notes: [CheckpointNote]
    /// The seconds from one frame to the next.
    public var frameSeconds: Double { session.input.frameSeconds }
    /// The smallest number of samples at 16 kHz for which a recording takes more than one pass of the model.
    public var windowLimit: Int { session.windows.limit }

    let session: InferenceSession<CTCInference>
    /// The log-probabilities [frames, labels] of the frames that each window keeps.
    let passes: PassQueue<[Float]>
    let transcriber: CTCTranscriber

    /// Loads a fine-tuned model from disk.
    ///
    /// - Parameters:
    ///   - url: The checkpoint, in any format.
    ///   - dictionary: A fairseq dictionary that replaces the checkpoint's labels, or supplies missing ones.
    ///   - architecture: A checkpoint of the same architecture, for a `.pt` file that does not describe its own.
    ///   - device: The device of the model.
    ///   - batchSeconds: The seconds of audio in one pass of the model.
    ///   - windows: The windows of recordings that are too long for one pass.
    ///   - precision: The number formats of the model.
    ///   - decoder: Makes the decoder from the model's alphabet.
    /// - Throws: `CheckpointError`, `CorpusError` or ``RecognitionError`` about the files, `InferenceError` about windows and
    ///   batches, `TorchError` about the device.
    public convenience init(
        checkpoint url: URL, dictionary: URL? = nil, architectureFrom architecture: URL? = nil, device: Device = .cpu,
        batchSeconds: Double = 60, windows: WindowOptions = WindowOptions(),
        precision: ModelPrecision = ModelPrecision(),
        decoder: @escaping @Sendable (DecodingAlphabet) throws -> RecognitionDecoder = { _ in .greedy }
    ) async throws {
        let options = InferenceOptions(
            device: device, batchSeconds: batchSeconds, windows: windows, precision: precision)
        let parts = try await ModelThread.start("recognizer") { thread in
            var checkpoint = try Checkpoint.read(url, architectureFrom: architecture)
            if let dictionary {
                checkpoint = try checkpoint.labeled(
                    LabelDictionary(contentsOf: dictionary).symbols, from: dictionary.path)
            }
            let description = checkpoint.description
            return try Parts(
                checkpoint.ctcModel(), symbols: checkpoint.requireLabels(), style: description.text,
                normalizes: description.normalize, epsilon: description.normalizeEpsilon, notes: checkpoint.notes,
                options: options, on: thread, decoder: decoder)
        }
        self.init(parts)
    }

    /// Makes a recognizer of a model.
    ///
    /// - Parameters:
    ///   - model: The model; from now on only the recognizer uses it.
    ///   - symbols: The symbol of each label.
    ///   - style: The rules that turn symbols into text.
    ///   - normalizes: Whether recordings are normalized to zero mean and unit variance.
    ///   - epsilon: The constant added to the variance in normalization.
    ///   - notes: Notes for the model's users.
    ///   - device: The device of the model.
    ///   - batchSeconds: The seconds of audio in one pass of the model.
    ///   - windows: The windows of recordings that are too long for one pass.
    ///   - precision: The number formats of the model.
    ///   - decoder: Makes the decoder from the model's alphabet.
    /// - Throws: `RecognitionError` when symbols and labels do not match, `InferenceError` about windows and batches,
    ///   `TorchError` about the device.
    public convenience init(
        model: sending CTCModel, symbols: [String], style: TextStyle = TextStyle(), normalizes: Bool,
        epsilon: Double = 1e-5, notes: [CheckpointNote] = [], device: Device = .cpu, batchSeconds: Double = 60,
        windows: WindowOptions = WindowOptions(), precision: ModelPrecision = ModelPrecision(),
        decoder: @escaping @Sendable (DecodingAlphabet) throws -> RecognitionDecoder = { _ in .greedy }
    ) async throws {
        let options = InferenceOptions(
            device: device, batchSeconds: batchSeconds, windows: windows, precision: precision)
        // Safe: `sending` has handed the model over, and from here on only the closure uses it, which runs once.
        nonisolated(unsafe) let model = model
        let parts = try await ModelThread.start("recognizer") { thread in
            try Parts(
                model, symbols: symbols, style: style, normalizes: normalizes, epsilon: epsilon, notes: notes,
                options: options, on: thread, decoder: decoder)
        }
        self.init(parts)
    }

    /// Makes a recognizer that shares another one's model.
    private init(_ other: Recognizer, transcriber: CTCTranscriber) {
        session = other.session
        passes = other.passes
        self.transcriber = transcriber
        symbols = other.symbols
        style = other.style
        notes = other.notes
    }

    /// The form in which texts are written; that of the model's labels unless ``writing(in:)`` chose another.
    public var form: TextForm { transcriber.writing.form }

    /// Returns a recognizer with the same model that writes its texts in another form.
    ///
    /// - Parameter form: The case of letters, and whether punctuation is written. Alignments keep the words of their
    ///   transcripts.
    public func writing(in form: TextForm) -> Recognizer {
        form == self.form ? self : Recognizer(self, transcriber: transcriber.writing(in: form))
    }

    private init(_ parts: Parts) {
        session = parts.session
        passes = session.passes(Self.scores)
        transcriber = parts.transcriber
        symbols = parts.symbols
        style = parts.style
        notes = parts.notes
    }

    /// The parts that are made on the model's thread.
    private struct Parts: Sendable {
        let session: InferenceSession<CTCInference>
        let transcriber: CTCTranscriber
        let symbols: [String]
        let style: TextStyle
        let notes: [CheckpointNote]

        init(
            _ model: sending CTCModel, symbols: [String], style: TextStyle, normalizes: Bool, epsilon: Double,
            notes: [CheckpointNote], options: InferenceOptions, on thread: ModelThread,
            decoder: (DecodingAlphabet) throws -> RecognitionDecoder
        ) throws {
            guard symbols.count == model.labelCount else {
                throw RecognitionError.dictionarySize(
                    dictionary: "the checkpoint's list of labels", symbols: symbols.count, labels: model.labelCount)
            }
            try options.validate()
            try options.prepare(model)
            let input = ModelInput(
                layers: model.backbone.configuration.convFeatureLayers, normalizes: normalizes, epsilon: epsilon)
            let writing = try LabelWriting(symbols: symbols, style: style)
            transcriber = CTCTranscriber(
                writing, frameSeconds: input.frameSeconds, decoder: try decoder(writing.alphabet))
            session = InferenceSession(
                on: thread, input: input, options: options, model: CTCInference(model, on: options.device))
            self.symbols = symbols
            self.style = style
            self.notes = notes
        }
    }

    // MARK: - Recognizing

    /// Recognizes a file.
    ///
    /// - Parameter url: A file in any format that `AudioFile` reads.
    /// - Returns: Words with times and confidences.
    /// - Throws: `AudioError`, or `InferenceError.tooShort` for fewer than 400 samples.
    public func transcribe(_ url: URL) async throws -> Transcription {
        try await transcribe(Recordings(count: 1) { _ in try Recording(contentsOf: url) })
    }

    /// Recognizes samples in memory.
    ///
    /// - Parameter samples: Samples at 16 kHz, full scale at ±1.
    /// - Returns: Words with times and confidences.
    /// - Throws: `InferenceError.tooShort` for fewer than 400 samples.
    public func transcribe(samples: [Float]) async throws -> Transcription {
        try await transcribe(Recordings([Recording(samples: samples)]))
    }

    private func transcribe(_ one: Recordings) async throws -> Transcription {
        try await transcriptions(of: one).all()[0].get()
    }

    /// Recognizes many recordings, several per pass of the model.
    ///
    /// A recording's error is its own result and does not affect the others.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - detail: The amount of detail to keep.
    /// - Returns: One result per recording, in order.
    /// - Throws: `CancellationError` when the task is canceled; `TorchError` when the model fails.
    public func transcribe(
        _ recordings: [Recording], detail: TranscriptionDetail = .characters
    ) async throws -> [Result<Transcription, any Error>] {
        try await transcriptions(of: Recordings(recordings), detail: detail).all()
    }

    /// Recognizes recordings as their results are iterated, in order.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - detail: The amount of detail to keep.
    ///   - kind: The kind of the requests; a recording of one window may share its pass with others of the same kind.
    ///   - hotWords: Words to prefer, beside those of the decoder; for a beam search only (``hotWords(in:)``).
    ///   - begins: Called when a pass of the model starts.
    ///   - heard: Called on the model's thread with a recording's words so far, after each of its windows; for greedy
    ///     decoding only, since a beam search may revise its words up to the recording's end.
    /// - Returns: Words with times and confidences of each recording.
    public func transcriptions(
        of recordings: Recordings, detail: TranscriptionDetail = .characters, as kind: PassKind = .long,
        hotWords: [String] = [], begins: (@Sendable (PassStart) -> Void)? = nil,
        heard: (@Sendable (TranscriptionPart) -> Void)? = nil
    ) -> InferenceResults<Transcription> {
        let transcriber = transcriber.preferring(hotWords)
        return recognized(recordings, stream: transcriber.stream(detail), as: kind, begins: begins, heard: heard)
            .mapResults { finished in
                // In parallel: on a GPU, a beam search takes longer than the model.
                try await ParallelMap.map(finished.map(\.result)) { result in
                    result.flatMap { scores in Result { try scores.transcription(by: transcriber, detail) } }
                }
            }
    }

    /// Computes the log-probabilities of the labels in each frame of many recordings.
    ///
    /// - Parameter recordings: The recordings.
    /// - Returns: For each recording, in order, [frames, labels], row-major, or its error.
    /// - Throws: `CancellationError` when the task is canceled; `TorchError` when the model fails.
    public func logProbabilities(_ recordings: [Recording]) async throws -> [Result<[Float], any Error>] {
        try await logProbabilities(of: Recordings(recordings)).all()
    }

    /// Computes the log-probabilities of the labels in each frame, as the results are iterated and in order.
    ///
    /// - Parameter recordings: The recordings.
    /// - Returns: [frames, labels], row-major, of each recording.
    public func logProbabilities(of recordings: Recordings) -> InferenceResults<[Float]> {
        logProbabilities(of: recordings, as: .long)
    }

    func logProbabilities(
        of recordings: Recordings, as kind: PassKind, begins: (@Sendable (PassStart) -> Void)? = nil
    ) -> InferenceResults<[Float]> {
        recognized(recordings, stream: nil, as: kind, begins: begins).mapValues { $1.scores }
    }

    /// Recognizes recordings as their results are iterated, and also returns the log-probabilities.
    ///
    /// - Parameter recordings: The recordings.
    /// - Returns: The transcription of each recording, and its log-probabilities [frames, labels], row-major.
    public func recognitions(
        of recordings: Recordings
    ) -> InferenceResults<Recognition> {
        recognized(recordings, stream: nil).mapResults { [transcriber] finished in
            try await ParallelMap.map(finished.map(\.result)) { result in
                result.flatMap { scores in
                    Result {
                        Recognition(
                            transcription: try scores.transcription(by: transcriber, .characters),
                            logProbabilities: scores.scores)
                    }
                }
            }
        }
    }

    /// Returns the model's outputs for recordings; with a `stream`, copied for each recording, log-probabilities are
    /// not kept.
    private func recognized(
        _ recordings: Recordings, stream: GreedyTranscription?, as kind: PassKind = .long,
        begins: (@Sendable (PassStart) -> Void)? = nil, heard: (@Sendable (TranscriptionPart) -> Void)? = nil
    ) -> InferenceResults<RecordingScores> {
        let (labels, input) = (symbols.count, session.input)
        return session.results(of: recordings) { [passes] windows in
            try await passes.outputs(of: windows, as: kind, begins: begins)
        } gatherer: { recording in
            RecordingScores(of: recording, labels: labels, input: input, stream: stream, heard: heard)
        }
    }

    /// Whether log-probabilities are valid; those of labels that a model never outputs may be −∞.
    static func isFinite(_ scores: [Float]) -> Bool { scores.allSatisfy { $0 < .infinity } }

    /// Runs the model over several windows at once; returns [frames, labels] of the frames that each window keeps.
    private static func scores(_ inference: CTCInference, _ windows: [Window]) throws -> [[Float]] {
        try withoutGradient {
            let (scores, layout) = try inference(
                Tensor(Window.joined(windows)), lengths: windows.map(\.samples.count))
            return try zip(windows, 0..<layout.count).map { window, row in
                let first = layout.offsets[row]
                return try scores.rows(first + window.kept.lowerBound..<first + window.kept.upperBound)
                    .elements(Float.self)
            }
        }
    }
}
