import Audio
import Corpus
import Decoding
import Foundation
import Interchange
import Torch
import Wav2Vec2

/// A fine-tuned model put to use: recordings in, words with times and confidences out.
///
///     let recognizer = try Recognizer(checkpoint: URL(fileURLWithPath: "finetuned/best"))
///     print(try await recognizer.transcribe(URL(fileURLWithPath: "speech.flac")).text)
///
/// Recordings are batched by their length, and a result never depends on what shares the batch. Those of more than 40 s
/// are recognised in overlapping windows. The model runs on a thread of the recognizer's own; cancelling the task takes
/// effect between batches.
public actor Recognizer {
    /// The symbol of each label; the blank is index 0.
    public nonisolated let symbols: [String]
    /// From one frame to the next, in seconds.
    public nonisolated let frameSeconds: Double
    /// The fewest samples at 16 kHz that make a frame.
    public nonisolated let shortestSamples: Int
    /// At most this many seconds of audio go through the model at once, unless a single window is longer.
    public nonisolated let batchSeconds: Double

    private let model: CTCModel
    private let device: Device
    private let executor = ThreadExecutor(name: "recognizer")
    private nonisolated let normalizesInput: Bool
    private nonisolated let windows: Windows
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
    ///   - precision: In which number formats the model computes.
    ///   - decoder: Makes what turns log-probabilities into text from the symbol of each label.
    /// - Throws: `CheckpointError`, `CorpusError` or ``RecognitionError`` about the files, `TorchError` about the device.
    public init(
        checkpoint url: URL, dictionary: URL? = nil, architectureFrom architecture: URL? = nil, device: Device = .cpu,
        batchSeconds: Double = 60, precision: ModelPrecision = ModelPrecision(),
        decoder: ([String]) throws -> RecognitionDecoder = { _ in .greedy }
    ) throws {
        var checkpoint = try Checkpoint.read(url, architectureFrom: architecture)
        if let dictionary {
            checkpoint = try checkpoint.labelled(
                LabelDictionary(contentsOf: dictionary).symbols, from: dictionary.path)
        }
        let symbols = try checkpoint.requireLabels()
        try self.init(
            model: checkpoint.ctcModel(), symbols: symbols, normalizes: checkpoint.description.normalize,
            device: device, batchSeconds: batchSeconds, precision: precision, decoder: decoder)
    }

    /// Puts a model to use.
    ///
    /// - Parameters:
    ///   - model: The model, which the recognizer alone uses from now on.
    ///   - symbols: The symbol of each of its labels.
    ///   - normalizes: Whether recordings are brought to zero mean and unit variance.
    ///   - device: Where the model runs.
    ///   - batchSeconds: How much audio goes through the model at once, in seconds.
    ///   - precision: In which number formats the model computes.
    ///   - decoder: Makes what turns log-probabilities into text from the symbol of each label.
    /// - Throws: `RecognitionError` when symbols and labels do not go together, `TorchError` about the device.
    public init(
        model: sending CTCModel, symbols: [String], normalizes: Bool, device: Device = .cpu, batchSeconds: Double = 60,
        precision: ModelPrecision = ModelPrecision(),
        decoder: ([String]) throws -> RecognitionDecoder = { _ in .greedy }
    ) throws {
        guard symbols.count == model.labelCount else {
            throw RecognitionError.dictionarySize(
                dictionary: "the checkpoint's list of labels", symbols: symbols.count, labels: model.labelCount)
        }
        try device.prepare()
        if device != .cpu {
            for parameter in model.parameters() { parameter.tensor = try parameter.tensor.to(device: device) }
        }
        try model.convert(to: precision, on: device)
        let layers = model.model.configuration.convFeatureLayers
        let frameSeconds = Double(layers.hop) / Double(AudioFile.modelSampleRate)
        self.model = model
        self.symbols = symbols
        self.device = device
        self.batchSeconds = batchSeconds
        self.frameSeconds = frameSeconds
        normalizesInput = normalizes
        shortestSamples = layers.receptiveField
        windows = Windows(layers: layers)
        transcriber = CTCTranscriber(symbols: symbols, frameSeconds: frameSeconds, decoder: try decoder(symbols))
    }

    deinit { executor.close() }

    // MARK: - Recognising

    /// Recognises a file.
    ///
    /// - Parameter url: Any format that `AudioFile` reads.
    /// - Returns: Words with times and confidences.
    /// - Throws: `AudioError`, or `RecognitionError.tooShort` for less than 400 samples.
    public nonisolated func transcribe(_ url: URL) async throws -> Transcription {
        try await single(Recording(contentsOf: url))
    }

    /// Recognises samples in memory.
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

    /// Recognises many recordings, the longest first, several at once.
    ///
    /// What is wrong with one recording is its own result; the others are recognised all the same.
    ///
    /// - Parameters:
    ///   - recordings: What to recognise.
    ///   - progress: Called after every batch with the number of recordings done.
    ///   - scores: Called with a recording's place and its log-probabilities [frames, labels], row by row, for those
    ///     who want to keep them.
    /// - Returns: One result a recording, in the order given.
    /// - Throws: `CancellationError` when the task is cancelled; `TorchError` when the model fails; what `scores` throws.
    public nonisolated func transcribe(
        _ recordings: [Recording], progress: (@Sendable (Int) -> Void)? = nil,
        scores: ((Int, [Float]) throws -> Void)? = nil
    ) async throws -> [Result<Transcription, any Error>] {
        var results: [Result<Transcription, any Error>?] = Array(repeating: nil, count: recordings.count)
        try await forEachBatch(recordings, progress: progress) { batch in
            if let scores {
                for (index, result) in batch { if let logits = try? result.get() { try scores(index, logits.values) } }
            }
            // Decoded side by side: a beam search takes longer than the model on a GPU.
            let transcriber = transcriber
            let read = try await concurrentMap(batch.map(\.result)) { result in
                result.flatMap { logits in
                    Result {
                        try transcriber.transcribe(
                            logits.values, duration: Double(logits.samples) / Double(AudioFile.modelSampleRate))
                    }
                }
            }
            for (index, result) in zip(batch.map(\.index), read) { results[index] = result }
        }
        return results.map { $0 ?? .failure(CancellationError()) }
    }

    /// Log-probabilities of the labels in each frame.
    ///
    /// - Parameters:
    ///   - recordings: What to recognise.
    ///   - progress: Called after every batch with the number of recordings done.
    /// - Returns: For each recording [frames, labels] row by row, or what is wrong with it.
    /// - Throws: `CancellationError` when the task is cancelled; `TorchError` when the model fails.
    public nonisolated func logProbabilities(
        _ recordings: [Recording], progress: (@Sendable (Int) -> Void)? = nil
    ) async throws -> [Result<[Float], any Error>] {
        var results: [Result<[Float], any Error>?] = Array(repeating: nil, count: recordings.count)
        try await forEachBatch(recordings, progress: progress) { batch in
            for (index, result) in batch { results[index] = result.map(\.values) }
        }
        return results.map { $0 ?? .failure(CancellationError()) }
    }

    // MARK: - Batches

    /// Log-probabilities [frames, labels] of a recording, and its length in samples.
    private struct Scores: Sendable {
        var values: [Float]
        var samples: Int
    }

    private nonisolated func forEachBatch(
        _ recordings: [Recording], progress: (@Sendable (Int) -> Void)?,
        _ body: ([(index: Int, result: Result<Scores, any Error>)]) async throws -> Void
    ) async throws {
        let batches = plan(recordings.map(\.sampleCount))
        var done = 0
        var ahead = batches.first.map { load($0.map { recordings[$0] }) }
        defer { ahead?.cancel() }
        for (number, batch) in batches.enumerated() {
            guard let loading = ahead else { break }
            let loaded = await loading.value
            try Task.checkCancellation()
            // The next batch is decoded while this one goes through the model.
            ahead = number + 1 < batches.count ? load(batches[number + 1].map { recordings[$0] }) : nil
            let good = loaded.compactMap { try? $0.get() }
            var scores = try await forward(good).makeIterator()
            try await body(
                zip(batch, loaded).map { index, result in
                    let own = result.flatMap { samples -> Result<Scores, any Error> in
                        guard let values = scores.next() else { return .failure(CancellationError()) }
                        return .success(Scores(values: values, samples: samples.count))
                    }
                    return (index, own)
                })
            done += batch.count
            progress?(done)
        }
    }

    /// Which recordings go together: the longest first, up to the budget.
    private nonisolated func plan(_ lengths: [Int]) -> [[Int]] {
        let budget = Int(batchSeconds * Double(AudioFile.modelSampleRate))
        let order = lengths.indices.sorted { (lengths[$1], $0) < (lengths[$0], $1) }
        var batches: [[Int]] = []
        var sum = 0
        for index in order {
            if let last = batches.indices.last, sum + lengths[index] <= budget {
                batches[last].append(index)
                sum += lengths[index]
            } else {
                batches.append([index])
                sum = lengths[index]
            }
        }
        return batches
    }

    private nonisolated func load(_ recordings: [Recording]) -> Task<[Result<[Float], any Error>], Never> {
        let (normalizes, needed) = (normalizesInput, shortestSamples)
        return Task.detached {
            recordings.map { recording in
                Result {
                    try Task.checkCancellation()
                    let samples = try recording.load()
                    guard samples.count >= needed else {
                        throw RecognitionError.tooShort(
                            recording: recording.name, samples: samples.count, needed: needed)
                    }
                    return normalizes ? normalized(samples) : samples
                }
            }
        }
    }

    /// Runs the model over whole recordings, cutting the long ones; windows pass in groups within the budget.
    private func forward(_ recordings: [[Float]]) throws -> [[Float]] {
        let pieces = recordings.indices.flatMap { index in
            windows(samples: recordings[index].count).map { (recording: index, window: $0) }
        }
        let budget = max(Int(batchSeconds * Double(AudioFile.modelSampleRate)), 1)
        var results: [[Float]] = Array(repeating: [], count: recordings.count)
        var start = 0
        while start < pieces.count {
            var end = start
            var total = 0
            repeat {
                total += pieces[end].window.samples.count
                end += 1
            } while end < pieces.count && total + pieces[end].window.samples.count <= budget
            let group = pieces[start..<end]
            var samples: [Float] = []
            samples.reserveCapacity(total)
            for piece in group { samples.append(contentsOf: recordings[piece.recording][piece.window.samples]) }
            let values = try withoutGradient {
                let input = try Tensor(samples).to(device: device)
                let (logits, layout) = try model(input, lengths: group.map(\.window.samples.count))
                let scores = try logits.logSoftmax(-1, dtype: .float32)
                return try zip(group, 0..<layout.count).map { piece, row in
                    let first = layout.offsets[row]
                    let kept = piece.window.kept
                    return try scores.rows(first + kept.lowerBound..<first + kept.upperBound).elements(Float.self)
                }
            }
            for (piece, part) in zip(group, values) { results[piece.recording].append(contentsOf: part) }
            start = end
        }
        return results
    }
}
