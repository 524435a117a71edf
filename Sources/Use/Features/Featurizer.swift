import Foundation
import W2VAudio
import W2VBackbone
import W2VInference
import W2VInterchange
import W2VTorch

/// A model as a source of features: recordings in, the hidden states of any layer out.
///
///     let featurizer = try await Featurizer(checkpoint: URL(filePath: "pretrained/best"))
///     let features = try await featurizer.features(of: URL(filePath: "speech.flac"), layer: .transformer(6))
///     print(features.frames, features.dimension, features.rate)
///
/// Nothing is masked and nothing dropped. Recordings go through the model several at once, and a result never depends on
/// what shares a pass. Those longer than a window go through the model in overlapping windows, which are read as they are
/// needed. The model runs on a thread of its own; any number of tasks may use it, and each of them may be cancelled.
public final class Featurizer: Sendable {
    /// The architecture.
    public let configuration: ModelConfiguration
    /// What errors call the model.
    public let name: String
    /// Tells the model from others (`Checkpoint.fingerprint`).
    public let fingerprint: String
    /// Notes on the checkpoint for anyone who uses the model.
    public let notes: [CheckpointNote]

    let session: InferenceSession<FeatureModel>
    private let task: ModelTask

    /// Loads a model of any task from disk.
    ///
    /// - Parameters:
    ///   - url: The checkpoint, pre-trained or fine-tuned, of any format.
    ///   - architecture: A checkpoint of the same architecture, for a `.pt` file that does not say its own.
    ///   - device: Where the model runs.
    ///   - batchSeconds: How much audio goes through the model at once, in seconds.
    ///   - windows: How recordings too long for one pass are cut.
    ///   - precision: In which number formats the model computes; features are FP32 in any case.
    /// - Throws: `CheckpointError` about the files, `InferenceError` about windows and batches, `TorchError` about the device.
    public init(
        checkpoint url: URL, architectureFrom architecture: URL? = nil, device: Device = .cpu,
        batchSeconds: Double = 60, windows: WindowOptions = WindowOptions(),
        precision: ModelPrecision = ModelPrecision()
    ) async throws {
        let options = InferenceOptions(
            device: device, batchSeconds: batchSeconds, windows: windows, precision: precision)
        let checkpoint: Checkpoint
        (checkpoint, fingerprint, session) = try await ModelThread.start("featurizer") { thread in
            let checkpoint = try Checkpoint.read(url, architectureFrom: architecture)
            let description = checkpoint.description
            try options.validate()
            let model = try FeatureModel(checkpoint, options)
            // Windows begin and end where groups of shortened frames do, so that these are the whole recording's groups.
            let input = ModelInput(
                layers: description.model.convFeatureLayers, normalizes: description.normalize,
                epsilon: description.normalizeEpsilon, frameUnit: description.model.hourglass?.factor ?? 1)
            let session = InferenceSession(on: thread, input: input, options: options, model: model)
            return (checkpoint, try checkpoint.fingerprint(), session)
        }
        configuration = checkpoint.description.model
        name = url.relativePath
        task = checkpoint.description.task
        notes = checkpoint.notes
    }

    // MARK: - Features

    /// Frames a second before any shortening: 50 of the usual models.
    public var frameRate: Double {
        Double(AudioFile.modelSampleRate) / Double(configuration.convFeatureLayers.hop)
    }

    /// How many frames a layer makes of a recording, before pooling.
    ///
    /// - Parameters:
    ///   - samples: The recording's length at 16 kHz.
    ///   - request: The layers, of which the first counts.
    /// - Returns: 0 for a recording that is too short, or a layer that there is not.
    public func frames(samples: Int, _ request: FeatureRequest) -> Int {
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
    /// - Throws: ``FeatureError`` when the model has no such layer, `AudioError`, or `InferenceError.tooShort`.
    public func features(of url: URL, layer: FeatureLayer, pooling: Pooling = .none) async throws -> LayerFeatures {
        let one = Recordings(count: 1) { _ in try Recording(contentsOf: url) }
        return try await features(of: one, FeatureRequest([layer], pooling: pooling)).all()[0].get()[0]
    }

    /// The features of many recordings, several at once.
    ///
    /// What is wrong with one recording is its own result; the others are there all the same.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - request: Which layers, and in which form.
    /// - Returns: For each recording, in the order given, its layers in the order asked for, or what is wrong with it.
    /// - Throws: ``FeatureError`` when the model has no such layer, `CancellationError` when the task is cancelled,
    ///   `TorchError` when the model fails.
    public func features(
        _ recordings: [Recording], _ request: FeatureRequest
    ) async throws -> [Result<[LayerFeatures], any Error>] {
        try await features(of: Recordings(recordings), request).all()
    }

    /// The features of recordings, while the results are iterated and in the recordings' order.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - request: Which layers, and in which form.
    /// - Returns: For each recording its layers in the order asked for.
    /// - Throws: ``FeatureError`` when the model has no such layer.
    public func features(
        of recordings: Recordings, _ request: FeatureRequest
    ) throws -> InferenceResults<[LayerFeatures]> {
        let stages = try request.layers.map { layer in try LayerStage(layer, in: configuration) }
        return rows(of: recordings) { try $0.hiddenStates($1, lengths: $2, stages) }
            .mapValues { [frameRate] _, rows in
                try zip(zip(request.layers, stages), rows.values).map { pair, values in
                    let (layer, stage) = pair
                    var (values, rate) = (values, frameRate / Double(stage.factor))
                    if request.upsamples && stage.factor > 1 {
                        values = try values.repeatedInterleaved(stage.factor, 0).rows(0..<rows.frames)
                        rate = frameRate
                    }
                    let pooled = try request.pooling(values)
                    // Squares of numbers that are finite need not be.
                    guard try pooled.isFinite() else { throw InferenceError.notFinite(recording: rows.name) }
                    return LayerFeatures(layer: layer, values: pooled, rate: rate)
                }
            }
    }

    /// The entries that the quantizer chooses in many recordings.
    ///
    /// - Parameter recordings: The recordings.
    /// - Returns: For each recording, in the order given, its codes, or what is wrong with it.
    /// - Throws: ``FeatureError/noQuantizer(checkpoint:reason:)``, `CancellationError` when the task is cancelled,
    ///   `TorchError` when the model fails.
    public func codes(_ recordings: [Recording]) async throws -> [Result<QuantizerCodes, any Error>] {
        try await codes(of: Recordings(recordings)).all()
    }

    /// The entries that the quantizer chooses in recordings, while the results are iterated and in the recordings' order.
    ///
    /// - Throws: ``FeatureError/noQuantizer(checkpoint:reason:)``.
    public func codes(of recordings: Recordings) throws -> InferenceResults<QuantizerCodes> {
        let quantizer = try requireQuantizer()
        return rows(of: recordings) { try $0.codes($1, lengths: $2) }.mapValues { _, rows in
            let flat = try rows.values.first?.elements(Int.self) ?? []
            return QuantizerCodes(
                entries: stride(from: 0, to: flat.count, by: quantizer.groups).map {
                    Array(flat[$0..<$0 + quantizer.groups])
                }, entriesPerGroup: quantizer.entriesPerGroup)
        }
    }

    /// The sizes of the quantizer's code books.
    ///
    /// - Returns: How many there are, and the entries of each.
    /// - Throws: ``FeatureError/noQuantizer(checkpoint:reason:)``.
    public func requireQuantizer() throws -> (groups: Int, entriesPerGroup: Int) {
        guard task.hasQuantizer else {
            throw FeatureError.noQuantizer(checkpoint: name, reason: "holds \(task.phrase), which has no quantizer")
        }
        guard configuration.quantizeTargets else {
            throw FeatureError.noQuantizer(checkpoint: name, reason: "was pre-trained without a quantizer")
        }
        return (configuration.latentGroups, configuration.latentVars)
    }

    /// What the model's stages say of recordings.
    private func rows(
        of recordings: Recordings, _ stages: @escaping @Sendable (FeatureModel, Tensor, [Int]) throws -> StageRows
    ) -> InferenceResults<RecordingRows> {
        let passes = session.passes { model, windows in
            try model.rows(of: windows) { try stages(model, $0, $1) }
        }
        let layers = session.input.layers
        return session.results(of: recordings) { windows in
            try await passes.outputs(of: windows, as: .long)
        } gatherer: { recording in
            RecordingRows(of: recording, layers: layers)
        }
    }
}
