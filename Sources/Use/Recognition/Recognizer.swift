import Foundation
import W2VAudio
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VDecoding
import W2VInterchange
import W2VObjectives
import W2VTorch

/// A fine-tuned model put to use: recordings in, words with times and confidences out.
///
///     let recognizer = try Recognizer(checkpoint: URL(filePath: "tuned/best"))
///     let transcription = try await recognizer.transcribe(URL(filePath: "interview.flac"))
///     print(transcription.text)
///
/// Recordings are batched by their length, and a result never depends on what shares the batch. Those of more than 40 s
/// are recognized in overlapping windows, read as they are needed: of recordings of hours only what the next two passes
/// need is in memory, and of the result what is said; where log-probabilities are searched or asked for, 4 bytes a label and
/// frame more. The model runs on a thread of the recognizer's own, any number of tasks may use it, and cancelling a task
/// takes effect between batches.
public actor Recognizer {
    /// The symbol of each label; the blank is index 0.
    public nonisolated let symbols: [String]
    /// How they become text.
    public nonisolated let style: TextStyle
    /// What labels stand for in text.
    public nonisolated var alphabet: DecodingAlphabet { transcriber.writing.alphabet }
    /// Notes on the checkpoint for anyone who uses the model; empty for a model that came from no file.
    public nonisolated let notes: [CheckpointNote]
    /// From one frame to the next, in seconds.
    public nonisolated let frameSeconds: Double
    /// The fewest samples at 16 kHz that make a frame.
    public nonisolated let shortestSamples: Int
    /// At most this many seconds of audio go through the model at once, unless a single window is longer.
    public nonisolated let batchSeconds: Double

    private let inference: CTCInference
    private let device: Device
    private let executor = ThreadExecutor(name: "recognizer")
    nonisolated let normalizesInput: Bool
    nonisolated let normalizationEpsilon: Double
    nonisolated let windows: Windows
    /// Recordings of fewer samples at 16 kHz go through the model in one pass.
    package nonisolated var windowLimit: Int { windows.limit }
    nonisolated let transcriber: CTCTranscriber

    /// The recognizer's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

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
    /// - Throws: `CheckpointError`, `CorpusError` or ``RecognitionError`` about the files, `TorchError` about the device.
    public init(
        checkpoint url: URL, dictionary: URL? = nil, architectureFrom architecture: URL? = nil, device: Device = .cpu,
        batchSeconds: Double = 60, windows: WindowOptions = WindowOptions(),
        precision: ModelPrecision = ModelPrecision(),
        decoder: (DecodingAlphabet) throws -> RecognitionDecoder = { _ in .greedy }
    ) throws {
        var checkpoint = try Checkpoint.read(url, architectureFrom: architecture)
        if let dictionary {
            checkpoint = try checkpoint.labeled(
                LabelDictionary(contentsOf: dictionary).symbols, from: dictionary.path)
        }
        let symbols = try checkpoint.requireLabels()
        try self.init(
            model: checkpoint.ctcModel(), symbols: symbols, style: checkpoint.description.text,
            normalizes: checkpoint.description.normalize, epsilon: checkpoint.description.normalizeEpsilon,
            notes: checkpoint.notes, device: device, batchSeconds: batchSeconds, windows: windows, precision: precision,
            decoder: decoder)
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
    /// - Throws: `RecognitionError` when symbols and labels do not go together, `TorchError` about the device.
    public init(
        model: sending CTCModel, symbols: [String], style: TextStyle = TextStyle(), normalizes: Bool,
        epsilon: Double = 1e-5, notes: [CheckpointNote] = [], device: Device = .cpu, batchSeconds: Double = 60,
        windows: WindowOptions = WindowOptions(), precision: ModelPrecision = ModelPrecision(),
        decoder: (DecodingAlphabet) throws -> RecognitionDecoder = { _ in .greedy }
    ) throws {
        guard symbols.count == model.labelCount else {
            throw RecognitionError.dictionarySize(
                dictionary: "the checkpoint's list of labels", symbols: symbols.count, labels: model.labelCount)
        }
        guard windows.isValid else {
            throw RecognitionError.badWindows(seconds: windows.seconds, overlap: windows.overlap)
        }
        guard batchSeconds >= 0 else {
            throw RecognitionError.badOption(name: "batchSeconds", value: batchSeconds, expected: "at least 0")
        }
        try device.prepare()
        if device != .cpu {
            for parameter in model.parameters() { parameter.tensor = try parameter.tensor.to(device: device) }
        }
        try model.convert(for: .inference, on: device, precision: precision)
        let layers = model.backbone.configuration.convFeatureLayers
        let frameSeconds = Double(layers.hop) / Double(AudioFile.modelSampleRate)
        inference = CTCInference(model, on: device)
        self.symbols = symbols
        self.device = device
        self.batchSeconds = batchSeconds
        self.frameSeconds = frameSeconds
        self.style = style
        self.notes = notes
        normalizesInput = normalizes
        normalizationEpsilon = epsilon
        shortestSamples = layers.receptiveField
        self.windows = Windows(windows, layers: layers)
        let writing = try LabelWriting(symbols: symbols, style: style)
        transcriber = CTCTranscriber(
            writing, frameSeconds: frameSeconds, decoder: try decoder(writing.alphabet))
    }

    deinit { executor.close() }

    // MARK: - Recognizing

    /// Recognizes a file.
    ///
    /// - Parameter url: Any format that `AudioFile` reads.
    /// - Returns: Words with times and confidences.
    /// - Throws: `AudioError`, or `RecognitionError.tooShort` for less than 400 samples.
    public nonisolated func transcribe(_ url: URL) async throws -> Transcription {
        try await single(Recording(contentsOf: url))
    }

    /// Recognizes samples in memory.
    ///
    /// - Parameter samples: At 16 kHz, full scale at ±1.
    /// - Returns: Words with times and confidences.
    /// - Throws: `RecognitionError.tooShort` for less than 400 samples.
    public nonisolated func transcribe(samples: [Float]) async throws -> Transcription {
        try await single(Recording(samples: samples))
    }

    private nonisolated func single(_ recording: Recording) async throws -> Transcription {
        let results = try await transcribe([recording])
        return try results[0].get()
    }

    /// Recognizes many recordings, the longest first, several at once.
    ///
    /// What is wrong with one recording is its own result; the others are recognized all the same.
    ///
    /// - Parameters:
    ///   - recordings: What to recognize.
    ///   - detail: How much of what was recognized is kept.
    ///   - progress: Called after every batch with the number of recordings done.
    ///   - heard: Called after every batch with the seconds of audio that have gone through the model, which within a
    ///     long recording tells more.
    ///   - scores: Called with a recording's place and its log-probabilities [frames, labels], row by row, for those
    ///     who want to keep them.
    /// - Returns: One result a recording, in the order given.
    /// - Throws: `CancellationError` when the task is cancelled; `TorchError` when the model fails; what `scores` throws.
    public nonisolated func transcribe(
        _ recordings: [Recording], detail: TranscriptionDetail = .characters,
        progress: (@Sendable (Int) -> Void)? = nil, heard: (@Sendable (Double) -> Void)? = nil,
        scores: ((Int, [Float]) throws -> Void)? = nil
    ) async throws -> [Result<Transcription, any Error>] {
        var results: [Result<Transcription, any Error>?] = Array(repeating: nil, count: recordings.count)
        let stream = scores == nil ? transcriber.stream(detail) : nil
        try await forEachGroup(recordings, stream: stream, progress: progress, heard: heard) { group in
            if let scores {
                for (index, result) in group { if let heard = try? result.get() { try scores(index, heard.scores) } }
            }
            // Decoded side by side: a beam search takes longer than the model on a GPU.
            let transcriber = transcriber
            let read = try await ParallelMap.map(group.map(\.result)) { result in
                result.flatMap { heard in
                    Result {
                        let duration = Double(heard.samples) / Double(AudioFile.modelSampleRate)
                        if var stream = heard.stream { return stream.finished(duration: duration) }
                        return try transcriber.transcribe(heard.scores, duration: duration, detail: detail)
                    }
                }
            }
            for (index, result) in zip(group.map(\.index), read) { results[index] = result }
        }
        return results.map { $0 ?? .failure(CancellationError()) }
    }

    /// Log-probabilities of the labels in each frame.
    ///
    /// - Parameters:
    ///   - recordings: What to recognize.
    ///   - progress: Called after every batch with the number of recordings done.
    ///   - heard: Called after every batch with the seconds of audio that have gone through the model.
    /// - Returns: For each recording [frames, labels] row by row, or what is wrong with it.
    /// - Throws: `CancellationError` when the task is cancelled; `TorchError` when the model fails.
    public nonisolated func logProbabilities(
        _ recordings: [Recording], progress: (@Sendable (Int) -> Void)? = nil,
        heard: (@Sendable (Double) -> Void)? = nil
    ) async throws -> [Result<[Float], any Error>] {
        var results: [Result<[Float], any Error>?] = Array(repeating: nil, count: recordings.count)
        try await forEachGroup(recordings, stream: nil, progress: progress, heard: heard) { group in
            for (index, result) in group { results[index] = result.map(\.scores) }
        }
        return results.map { $0 ?? .failure(CancellationError()) }
    }

    // MARK: - Batches

    /// What the model has made of a recording.
    private struct Heard: Sendable {
        /// Log-probabilities [frames, labels]; empty where a stream reads them instead.
        var scores: [Float] = []
        /// What reads them, or why it could not.
        var stream: GreedyTranscription?
        var error: DecoderError?
        /// The recording's length, at its end.
        var samples = 0

        mutating func append(_ scores: [Float]) {
            guard stream != nil else { return self.scores.append(contentsOf: scores) }
            do throws(DecoderError) { try stream?.append(scores) } catch { self.error = self.error ?? error }
        }

        func ended(after samples: Int) throws -> Heard {
            if let error { throw error }
            var whole = self
            whole.samples = samples
            return whole
        }
    }

    /// Calls `body` after each pass of the model with the recordings that it has finished.
    ///
    /// With a `stream`, which is copied for each recording, no log-probabilities are kept.
    private nonisolated func forEachGroup(
        _ recordings: [Recording], stream: GreedyTranscription?, progress: (@Sendable (Int) -> Void)?,
        heard: (@Sendable (Double) -> Void)?,
        _ body: ([(index: Int, result: Result<Heard, any Error>)]) async throws -> Void
    ) async throws {
        let reader = WindowReader(
            recordings, windows: windows, normalizes: normalizesInput, epsilon: normalizationEpsilon,
            batchSeconds: batchSeconds)
        try await reader.forEachGroup(
            model: { try await forward($0) },
            isFinite: Self.isFinite,
            start: { index in
                if let stream { Heard(stream: stream) } else { Heard(scores: room(for: recordings[index])) }
            },
            add: { $0.append($1) },
            passed: { done, frames in
                progress?(done)
                heard?(Double(frames) * frameSeconds)
            },
            finished: { ended in
                try await body(
                    ended.map { index, heard, samples in
                        (index, samples.flatMap { samples in Result { try heard.ended(after: samples) } })
                    })
            })
    }

    /// An empty array with room for a recording's log-probabilities, so that those of hours are not copied as it grows.
    ///
    /// What a header promises is believed up to ten hours.
    private nonisolated func room(for recording: Recording) -> [Float] {
        let frames = min(windows.layers.frames(samples: recording.sampleCount), Int(36_000 / frameSeconds))
        var values: [Float] = []
        values.reserveCapacity(max(0, frames) * symbols.count)
        return values
    }

    /// Whether log-probabilities are numbers; those of labels that a model never writes may be −∞.
    static func isFinite(_ scores: [Float]) -> Bool { scores.allSatisfy { $0 < .infinity } }

    /// Runs the model over windows at once; gives [frames, labels] of the frames that each keeps.
    func forward(_ windows: [Window]) throws -> [[Float]] {
        var samples: [Float] = []
        samples.reserveCapacity(windows.reduce(0) { $0 + $1.samples.count })
        for window in windows { samples.append(contentsOf: window.samples) }
        return try withoutGradient {
            let (scores, layout) = try inference(Tensor(samples), lengths: windows.map(\.samples.count))
            return try zip(windows, 0..<layout.count).map { window, row in
                let first = layout.offsets[row]
                return try scores.rows(first + window.kept.lowerBound..<first + window.kept.upperBound)
                    .elements(Float.self)
            }
        }
    }
}
