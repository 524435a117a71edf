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

/// A fine-tuned model put to use: recordings in, words with times and confidences out.
///
///     let recognizer = try await Recognizer(checkpoint: URL(filePath: "tuned/best"))
///     let transcription = try await recognizer.transcribe(URL(filePath: "interview.flac"))
///     print(transcription.text)
///
/// Recordings go through the model several at once, and a result never depends on what shares a pass. Those of more than
/// 40 s are recognized in overlapping windows, read as they are needed: of recordings of hours only what the next two passes
/// need is in memory, and of the result what is said; where log-probabilities are searched or asked for, 4 bytes a label and
/// frame more. The model runs on a thread of its own, any number of tasks may use it, and each of them may be cancelled.
public final class Recognizer: Sendable {
    /// The symbol of each label; the blank is index 0.
    public let symbols: [String]
    /// How they become text.
    public let style: TextStyle
    /// What labels stand for in text.
    public var alphabet: DecodingAlphabet { transcriber.writing.alphabet }
    /// Notes on the checkpoint for anyone who uses the model; empty for a model that came from no file.
    public let notes: [CheckpointNote]
    /// From one frame to the next, in seconds.
    public var frameSeconds: Double { session.input.frameSeconds }
    /// The fewest samples at 16 kHz that make a frame.
    public var shortestSamples: Int { session.input.layers.receptiveField }
    /// Recordings of fewer samples at 16 kHz go through the model in one pass.
    public var windowLimit: Int { session.windows.limit }

    let session: InferenceSession<CTCInference>
    /// Log-probabilities [frames, labels] of the frames that each window keeps.
    let passes: PassQueue<[Float]>
    let transcriber: CTCTranscriber

    /// Loads a fine-tuned model from disk.
    ///
    /// - Parameters:
    ///   - url: The checkpoint, of any format.
    ///   - dictionary: A fairseq dictionary in place of the checkpoint's own labels, or where it has none.
    ///   - architecture: A checkpoint of the same architecture, for a `.pt` file that does not say its own.
    ///   - device: Where the model runs.
    ///   - batchSeconds: How much audio goes through the model at once, in seconds.
    ///   - windows: How recordings too long for one pass are cut.
    ///   - precision: In which number formats the model computes.
    ///   - decoder: Makes what turns log-probabilities into text from what labels stand for.
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

    /// Puts a model to use.
    ///
    /// - Parameters:
    ///   - model: The model, which the recognizer alone uses from now on.
    ///   - symbols: The symbol of each of its labels.
    ///   - style: How they become text.
    ///   - normalizes: Whether recordings are brought to zero mean and unit variance.
    ///   - epsilon: What is then added to the variance.
    ///   - notes: What users of the model should know.
    ///   - device: Where the model runs.
    ///   - batchSeconds: How much audio goes through the model at once, in seconds.
    ///   - windows: How recordings too long for one pass are cut.
    ///   - precision: In which number formats the model computes.
    ///   - decoder: Makes what turns log-probabilities into text from what labels stand for.
    /// - Throws: `RecognitionError` when symbols and labels do not go together, `InferenceError` about windows and batches,
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

    private init(_ parts: Parts) {
        session = parts.session
        passes = session.passes(Self.scores)
        transcriber = parts.transcriber
        symbols = parts.symbols
        style = parts.style
        notes = parts.notes
    }

    /// What is made on the model's thread.
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
    /// - Parameter url: Any format that `AudioFile` reads.
    /// - Returns: Words with times and confidences.
    /// - Throws: `AudioError`, or `InferenceError.tooShort` for less than 400 samples.
    public func transcribe(_ url: URL) async throws -> Transcription {
        try await transcribe(Recordings(count: 1) { _ in try Recording(contentsOf: url) })
    }

    /// Recognizes samples in memory.
    ///
    /// - Parameter samples: At 16 kHz, full scale at ±1.
    /// - Returns: Words with times and confidences.
    /// - Throws: `InferenceError.tooShort` for less than 400 samples.
    public func transcribe(samples: [Float]) async throws -> Transcription {
        try await transcribe(Recordings([Recording(samples: samples)]))
    }

    private func transcribe(_ one: Recordings) async throws -> Transcription {
        try await transcriptions(of: one).all()[0].get()
    }

    /// Recognizes many recordings, several at once.
    ///
    /// What is wrong with one recording is its own result; the others are recognized all the same.
    ///
    /// - Parameters:
    ///   - recordings: What to recognize.
    ///   - detail: How much of what was recognized is kept.
    /// - Returns: One result a recording, in the order given.
    /// - Throws: `CancellationError` when the task is cancelled; `TorchError` when the model fails.
    public func transcribe(
        _ recordings: [Recording], detail: TranscriptionDetail = .characters
    ) async throws -> [Result<Transcription, any Error>] {
        try await transcriptions(of: Recordings(recordings), detail: detail).all()
    }

    /// Recognizes recordings while their results are iterated, in their order.
    ///
    /// - Parameters:
    ///   - recordings: What to recognize.
    ///   - detail: How much of what was recognized is kept.
    ///   - kind: For whom; a recording of one window may share its pass with others of the kind.
    ///   - begins: Called when a pass of the model begins.
    /// - Returns: For each recording words with times and confidences.
    public func transcriptions(
        of recordings: Recordings, detail: TranscriptionDetail = .characters, as kind: PassKind = .long,
        begins: (@Sendable (PassStart) -> Void)? = nil
    ) -> InferenceResults<Transcription> {
        recognized(recordings, stream: transcriber.stream(detail), as: kind, begins: begins)
            .mapResults { [transcriber] finished in
                // Decoded side by side: a beam search takes longer than the model on a GPU.
                try await ParallelMap.map(finished.map(\.result)) { result in
                    result.flatMap { scores in Result { try scores.transcription(by: transcriber, detail) } }
                }
            }
    }

    /// Log-probabilities of the labels in each frame of many recordings.
    ///
    /// - Parameter recordings: What to recognize.
    /// - Returns: For each recording, in the order given, [frames, labels] row by row, or what is wrong with it.
    /// - Throws: `CancellationError` when the task is cancelled; `TorchError` when the model fails.
    public func logProbabilities(_ recordings: [Recording]) async throws -> [Result<[Float], any Error>] {
        try await logProbabilities(of: Recordings(recordings)).all()
    }

    /// Log-probabilities of the labels in each frame, while they are iterated and in the recordings' order.
    ///
    /// - Parameter recordings: What to recognize.
    /// - Returns: For each recording [frames, labels] row by row.
    public func logProbabilities(of recordings: Recordings) -> InferenceResults<[Float]> {
        recognized(recordings, stream: nil).mapValues { $1.scores }
    }

    /// Recognizes recordings while their results are iterated, with the log-probabilities that the text was read from.
    ///
    /// - Parameter recordings: What to recognize.
    /// - Returns: For each recording what is said, and [frames, labels] row by row.
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

    /// What the model says of recordings; with a `stream`, which is copied for each, no log-probabilities are kept.
    private func recognized(
        _ recordings: Recordings, stream: GreedyTranscription?, as kind: PassKind = .long,
        begins: (@Sendable (PassStart) -> Void)? = nil
    ) -> InferenceResults<RecordingScores> {
        let (labels, input) = (symbols.count, session.input)
        return session.results(of: recordings) { [passes] windows in
            try await passes.outputs(of: windows, as: kind, begins: begins)
        } gatherer: { recording in
            RecordingScores(of: recording, labels: labels, input: input, stream: stream)
        }
    }

    /// Whether log-probabilities are numbers; those of labels that a model never writes may be −∞.
    static func isFinite(_ scores: [Float]) -> Bool { scores.allSatisfy { $0 < .infinity } }

    /// Runs the model over windows at once; gives [frames, labels] of the frames that each keeps.
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
