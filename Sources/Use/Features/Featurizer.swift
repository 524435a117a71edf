import Foundation
import W2VAudio
import W2VBackbone
import W2VInterchange
import W2VObjectives
import W2VRecognition
import W2VTorch

/// A model as a source of features: recordings in, the hidden states of any layer out.
///
///     let featurizer = try Featurizer(checkpoint: URL(filePath: "pretrained/best"))
///     let features = try await featurizer.features(of: URL(filePath: "speech.flac"), layer: .transformer(6))
///     print(features.frames, features.dimension, features.rate)
///
/// Nothing is masked and nothing dropped. Recordings are batched by their length, and a result never depends on what
/// shares the batch. Those longer than a window go through the model in overlapping windows, which are read as they are
/// needed. The model runs on a thread of the featurizer's own; cancelling the task takes effect between batches.
public actor Featurizer {
    /// The architecture.
    public nonisolated let configuration: ModelConfiguration
    /// What errors call the model.
    public nonisolated let name: String
    /// Tells the model from others (`Checkpoint.fingerprint`).
    public nonisolated let fingerprint: String
    /// At most this many seconds of audio go through the model at once, unless a single window is longer.
    public nonisolated let batchSeconds: Double

    private let model: Wav2Vec2Model
    private let quantizer: GumbelVectorQuantizer?
    private let device: Device
    private let executor = ThreadExecutor(name: "featurizer")
    /// Notes on the checkpoint for anyone who uses the model.
    public nonisolated let notes: [CheckpointNote]
    private nonisolated let normalizesInput: Bool
    private nonisolated let normalizationEpsilon: Double
    private nonisolated let windows: Windows
    private nonisolated let task: ModelTask

    /// The featurizer's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Loads a model of any task from disk.
    ///
    /// - Parameters:
    ///   - url: The checkpoint, pre-trained or fine-tuned, of any format.
    ///   - architecture: A checkpoint of the same architecture, for a `.pt` file that does not say its own.
    ///   - device: Where the model runs.
    ///   - batchSeconds: How much audio goes through the model at once, in seconds.
    ///   - windows: How recordings too long for one pass are cut.
    ///   - precision: In which number formats the model computes; features are FP32 in any case.
    /// - Throws: `CheckpointError` about the files, `RecognitionError.badWindows`, `TorchError` about the device.
    public init(
        checkpoint url: URL, architectureFrom architecture: URL? = nil, device: Device = .cpu,
        batchSeconds: Double = 60, windows: WindowOptions = WindowOptions(),
        precision: ModelPrecision = ModelPrecision()
    ) throws {
        let checkpoint = try Checkpoint.read(url, architectureFrom: architecture)
        let configuration = checkpoint.description.model
        guard windows.isValid else {
            throw RecognitionError.badWindows(seconds: windows.seconds, overlap: windows.overlap)
        }
        // Windows begin and end where groups of shortened frames do, so that these are the whole recording's groups.
        self.windows = Windows(
            windows, layers: configuration.convFeatureLayers, unit: configuration.hourglass?.factor ?? 1)
        try device.prepare()
        let whole: any ConvertibleModel
        if checkpoint.description.task.hasQuantizer {
            let pretraining = try checkpoint.pretrainingModel()
            (whole, model, quantizer) = (pretraining, pretraining.backbone, pretraining.quantizer)
        } else {
            let shared = try checkpoint.sharedModel()
            (whole, model, quantizer) = (shared, shared, nil)
        }
        if device != .cpu {
            for parameter in whole.parameters() { parameter.tensor = try parameter.tensor.to(device: device) }
        }
        try whole.convert(for: .inference, on: device, precision: precision)
        self.configuration = configuration
        self.device = device
        self.batchSeconds = batchSeconds
        name = url.relativePath
        fingerprint = try checkpoint.fingerprint()
        task = checkpoint.description.task
        normalizesInput = checkpoint.description.normalize
        normalizationEpsilon = checkpoint.description.normalizeEpsilon
        notes = checkpoint.notes
    }

    deinit { executor.close() }

    // MARK: - Features

    /// Frames a second before any shortening: 50 of the usual models.
    public nonisolated var frameRate: Double {
        Double(AudioFile.modelSampleRate) / Double(configuration.convFeatureLayers.hop)
    }

    /// How many frames a layer makes of a recording, before pooling.
    ///
    /// - Parameters:
    ///   - samples: The recording's length at 16 kHz.
    ///   - request: The layers, of which the first counts.
    /// - Returns: 0 for a recording that is too short, or a layer that there is not.
    public nonisolated func frames(samples: Int, _ request: FeatureRequest) -> Int {
        let layers = configuration.convFeatureLayers
        guard samples >= layers.receptiveField,
            let stage = request.layers.first.flatMap({ try? LayerStage($0, in: configuration) })
        else { return 0 }
        let factor = request.upsamples ? 1 : stage.factor
        return (layers.frames(samples: samples) + factor - 1) / factor
    }

    /// The features of one layer in a file.
    ///
    /// - Parameters:
    ///   - url: Any format that `AudioFile` reads.
    ///   - layer: The layer.
    ///   - pooling: How frames become one vector.
    /// - Returns: The layer's output.
    /// - Throws: ``FeatureError`` when the model has no such layer, `AudioError`, or `RecognitionError.tooShort`.
    public nonisolated func features(
        of url: URL, layer: FeatureLayer, pooling: Pooling = .none
    ) async throws -> LayerFeatures {
        let results = try await features([Recording(contentsOf: url)], FeatureRequest([layer], pooling: pooling))
        return try results[0].get()[0]
    }

    /// The features of many recordings, the longest first, several at once.
    ///
    /// What is wrong with one recording is its own result; the others are there all the same.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - request: Which layers, and in which form.
    ///   - progress: Called after every batch with the number of recordings done, and the seconds of audio.
    /// - Returns: For each recording, in the order given, its layers in the order asked for, or what is wrong with it.
    /// - Throws: ``FeatureError`` when the model has no such layer, `CancellationError` when the task is cancelled,
    ///   `TorchError` when the model fails.
    public nonisolated func features(
        _ recordings: [Recording], _ request: FeatureRequest, progress: (@Sendable (Int, Double) -> Void)? = nil
    ) async throws -> [Result<[LayerFeatures], any Error>] {
        let stages = try request.layers.map { layer in try LayerStage(layer, in: configuration) }
        let results = try await outputs(recordings, progress: progress) { featurizer, windows in
            try featurizer.forward(windows) { try featurizer.hiddenStates($0, lengths: $1, stages) }
        }
        return zip(recordings, results).map { recording, result in
            result.flatMap { outputs in
                Result {
                    try zip(zip(request.layers, stages), outputs.values).map { pair, values in
                        let (layer, stage) = pair
                        var (values, rate) = (values, frameRate / Double(stage.factor))
                        if request.upsamples && stage.factor > 1 {
                            values = try values.repeatedInterleaved(stage.factor, 0).rows(0..<outputs.frames)
                            rate = frameRate
                        }
                        let pooled = try request.pooling(values)
                        // Squares of numbers that are finite need not be.
                        guard try pooled.isFinite() else { throw RecognitionError.notFinite(recording: recording.name) }
                        return LayerFeatures(layer: layer, values: pooled, rate: rate)
                    }
                }
            }
        }
    }

    /// The entries that the quantizer chooses in many recordings.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - progress: Called after every batch with the number of recordings done, and the seconds of audio.
    /// - Returns: For each recording, in the order given, its codes, or what is wrong with it.
    /// - Throws: ``FeatureError/noQuantizer(checkpoint:reason:)``, `CancellationError` when the task is cancelled,
    ///   `TorchError` when the model fails.
    public nonisolated func codes(
        _ recordings: [Recording], progress: (@Sendable (Int, Double) -> Void)? = nil
    ) async throws -> [Result<QuantizerCodes, any Error>] {
        let quantizer = try requireQuantizer()
        let results = try await outputs(recordings, progress: progress) { featurizer, windows in
            try featurizer.forward(windows) { input, lengths in
                let features = try featurizer.model.features(input, lengths: lengths)
                guard let quantizer = featurizer.quantizer else { return ([], features.layout) }
                // The quantizer chooses an entry for NaN too: one number a frame shows it.
                let sums = try features.normalized.to(dtype: .float32).sum(1)
                return ([(try quantizer.codes(features.normalized), 1), (sums, 1)], features.layout)
            }
        }
        return results.map { result in
            result.flatMap { outputs in
                Result {
                    let flat = try outputs.values.first?.elements(Int.self) ?? []
                    return QuantizerCodes(
                        entries: stride(from: 0, to: flat.count, by: quantizer.groups).map {
                            Array(flat[$0..<$0 + quantizer.groups])
                        }, entriesPerGroup: quantizer.entriesPerGroup)
                }
            }
        }
    }

    /// The sizes of the quantizer's code books.
    ///
    /// - Returns: How many there are, and the entries of each.
    /// - Throws: ``FeatureError/noQuantizer(checkpoint:reason:)``.
    public nonisolated func requireQuantizer() throws -> (groups: Int, entriesPerGroup: Int) {
        guard task.hasQuantizer else {
            throw FeatureError.noQuantizer(checkpoint: name, reason: "holds \(task.phrase), which has no quantizer")
        }
        guard configuration.quantizeTargets else {
            throw FeatureError.noQuantizer(checkpoint: name, reason: "was pre-trained without a quantizer")
        }
        return (configuration.latentGroups, configuration.latentVars)
    }

    // MARK: - The model

    /// The wanted stages of a forward pass, each with the frames that one of its rows stands for.
    func hiddenStates(
        _ samples: Tensor, lengths: [Int], _ stages: [LayerStage], mask: Mask? = nil
    ) throws -> (rows: [(Tensor, factor: Int)], layout: RaggedLayout) {
        let wanted = Set(stages.map(\.name))
        var found: [String: Tensor] = [:]
        let layout: RaggedLayout
        if let depth = stages.compactMap(\.depth).max() {
            var pass = ForwardPass.inference
            pass.plan = .full
            pass.plan.depth = depth
            pass.probe = { name, tensor in if wanted.contains(name) { found[name] = tensor } }
            layout = try model(samples, lengths: lengths, mask: mask, pass).layout
        } else {
            let features = try model.features(samples, lengths: lengths)
            found = ["conv_features": features.raw, "features_ln": features.normalized]
            layout = features.layout
        }
        return (
            try stages.map { stage in
                guard let tensor = found[stage.name] else {
                    throw TorchError.state("the forward pass did not show \(stage.name)")
                }
                return (tensor, stage.factor)
            }, layout
        )
    }

    /// Runs the model over windows at once; gives the rows that each keeps of every stage.
    private func forward(
        _ windows: [Window],
        _ body: (Tensor, [Int]) throws -> (rows: [(Tensor, factor: Int)], layout: RaggedLayout)
    ) throws -> [[Tensor]] {
        var samples: [Float] = []
        samples.reserveCapacity(windows.reduce(0) { $0 + $1.samples.count })
        for window in windows { samples.append(contentsOf: window.samples) }
        return try withoutGradient {
            let (stages, layout) = try body(Tensor(samples).to(device: device), windows.map(\.samples.count))
            return try windows.enumerated().map { row, window in
                try stages.map { tensor, factor in
                    let shortened = RaggedLayout(layout.lengths.map { ($0 + factor - 1) / factor })
                    let first = shortened.offsets[row] + window.kept.lowerBound / factor
                    let last = shortened.offsets[row] + (window.kept.upperBound + factor - 1) / factor
                    let rows = try tensor.rows(first..<last)
                    // A copy, so that the rest of the batch does not stay in memory.
                    return try rows.to(dtype: rows.dtype.isFloatingPoint ? .float32 : rows.dtype, device: .cpu).cloned()
                }
            }
        }
    }

    // MARK: - Batches

    /// What was taken from a recording: some rows for each stage, and how many frames it has.
    private struct Outputs: Sendable {
        var values: [Tensor]
        var frames: Int
    }

    private nonisolated func outputs(
        _ recordings: [Recording], progress: (@Sendable (Int, Double) -> Void)?,
        _ body: @Sendable (isolated Featurizer, [Window]) throws -> [[Tensor]]
    ) async throws -> [Result<Outputs, any Error>] {
        let reader = WindowReader(
            recordings, windows: windows, normalizes: normalizesInput, epsilon: normalizationEpsilon,
            batchSeconds: batchSeconds)
        var results: [Result<Outputs, any Error>] = recordings.map { _ in .failure(CancellationError()) }
        try await reader.forEachGroup(
            model: { try await body(self, $0) },
            isFinite: { stages in try stages.allSatisfy { try !$0.dtype.isFloatingPoint || $0.isFinite() } },
            start: { _ in [[Tensor]]() }, add: { $0.append($1) },
            passed: { done, frames in progress?(done, Double(frames) / frameRate) },
            finished: { ended in
                for (index, parts, samples) in ended {
                    results[index] = samples.flatMap { samples in
                        Result {
                            Outputs(
                                values: try (parts.first ?? []).indices.map { stage in
                                    try .concatenate(parts.map { $0[stage] })
                                }, frames: configuration.convFeatureLayers.frames(samples: samples))
                        }
                    }
                }
            })
        return results
    }
}
