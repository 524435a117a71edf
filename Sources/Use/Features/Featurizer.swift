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
/// Masking and dropout are off. Several recordings share a pass of the model, and a result never depends on what shares
/// its pass. Recordings longer than a window are processed in overlapping windows, which are read as they are needed.
/// The model runs on a thread of its own. Any number of tasks may use it, and each of them may be canceled.
public final class Featurizer: Sendable {
    /// The architecture.
    public let configuration: ModelConfiguration
    /// The model's name in error messages.
    public let name: String
    /// The fingerprint that identifies the model (`Checkpoint.fingerprint`).
    public let fingerprint: String
    /// Notes on the checkpoint for the model's users.
    public let notes: [CheckpointNote]

    let session: InferenceSession<FeatureModel>
    private let task: ModelTask

    /// Loads a model of any task from disk.
    ///
    /// - Parameters:
    ///   - url: The checkpoint, pre-trained or fine-tuned, in any format.
    ///   - architecture: A checkpoint of the same architecture, for a `.pt` file that does not describe its own.
    ///   - device: The device of the model.
    ///   - batchSeconds: The seconds of audio in one pass of the model.
    ///   - windows: The windows of recordings that are too long for one pass.
    ///   - precision: The number formats of the model; features are always FP32.
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
            // Windows start and end at the boundaries of groups of shortened frames, so that the groups are those of
            // the whole recording.
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

    /// The smallest number of samples at 16 kHz for which a recording takes more than one pass of the model.
    public var windowLimit: Int { session.windows.limit }

    /// The frames per second before any shortening; 50 in the usual models.
    public var frameRate: Double {
        Double(AudioFile.modelSampleRate) / Double(configuration.convFeatureLayers.hop)
    }

    /// Returns the number of frames that a layer outputs for a recording, before pooling.
    ///
    /// - Parameters:
    ///   - samples: The recording's length at 16 kHz.
    ///   - request: The layers, of which the first is counted.
    /// - Returns: The number of frames; 0 for a recording that is too short, or a layer that does not exist.
    public func frames(samples: Int, _ request: FeatureRequest) -> Int {
        let layers = configuration.convFeatureLayers
        guard samples >= layers.receptiveField,
            let stage = request.layers.first.flatMap({ try? LayerStage($0, in: configuration) })
        else { return 0 }
        let factor = request.upsamples ? 1 : stage.factor
        return (layers.frames(samples: samples) + factor - 1) / factor
    }

    /// Returns how many numbers the features of a recording are.
    ///
    /// - Parameters:
    ///   - samples: The recording's length at 16 kHz.
    ///   - request: The layers and their form.
    /// - Returns: The sum over all layers.
    /// - Throws: ``FeatureError`` when the model has no such layer.
    public func numbers(samples: Int, _ request: FeatureRequest) throws(FeatureError) -> Int {
        let frames = configuration.convFeatureLayers.frames(samples: samples)
        var sum = 0
        for layer in request.layers {
            let stage = try LayerStage(layer, in: configuration)
            let factor = request.upsamples ? 1 : stage.factor
            switch request.pooling {
            case .none: sum += (frames + factor - 1) / factor * stage.dimension
            case .mean, .max: sum += stage.dimension
            case .meanStd: sum += 2 * stage.dimension
            }
        }
        return sum
    }

    /// Returns the features of one layer for a file.
    ///
    /// - Parameters:
    ///   - url: A file in any format that `AudioFile` reads.
    ///   - layer: The layer.
    ///   - pooling: The pooling of frames.
    /// - Returns: The layer's output.
    /// - Throws: ``FeatureError`` when the model has no such layer, `AudioError`, or `InferenceError.tooShort`.
    public func features(of url: URL, layer: FeatureLayer, pooling: Pooling = .none) async throws -> LayerFeatures {
        let one = Recordings(count: 1) { _ in try Recording(contentsOf: url) }
        return try await features(of: one, FeatureRequest([layer], pooling: pooling)).all()[0].get()[0]
    }

    /// Returns the features of many recordings, several per pass of the model.
    ///
    /// A recording's error is its own result and does not affect the others.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - request: The layers and their form.
    /// - Returns: For each recording, in order, its layers in the order requested, or its error.
    /// - Throws: ``FeatureError`` when the model has no such layer, `CancellationError` when the task is canceled,
    ///   `TorchError` when the model fails.
    public func features(
        _ recordings: [Recording], _ request: FeatureRequest
    ) async throws -> [Result<[LayerFeatures], any Error>] {
        try await features(of: Recordings(recordings), request).all()
    }

    /// Returns the features of recordings as the results are iterated, in order.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - request: The layers and their form.
    ///   - begins: Called when a pass of the model starts.
    /// - Returns: For each recording, its layers in the order requested.
    /// - Throws: ``FeatureError`` when the model has no such layer.
    public func features(
        of recordings: Recordings, _ request: FeatureRequest, begins: (@Sendable (PassStart) -> Void)? = nil
    ) throws -> InferenceResults<[LayerFeatures]> {
        let stages = try request.layers.map { layer in try LayerStage(layer, in: configuration) }
        return rows(of: recordings, begins: begins) { try $0.hiddenStates($1, lengths: $2, stages) }
            .mapValues(on: session) { [frameRate] _, rows in
                try zip(zip(request.layers, stages), rows.values).map { pair, values in
                    let (layer, stage) = pair
                    var (values, rate) = (values, frameRate / Double(stage.factor))
                    if request.upsamples && stage.factor > 1 {
                        values = try values.repeatedInterleaved(stage.factor, 0).rows(0..<rows.frames)
                        rate = frameRate
                    }
                    let pooled = try request.pooling(values)
                    // Squares of finite numbers may overflow.
                    guard try pooled.isFinite() else { throw InferenceError.notFinite(recording: rows.name) }
                    return LayerFeatures(layer: layer, values: pooled, rate: rate)
                }
            }
    }

    /// Returns values computed from the features of recordings, on the model's thread.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - request: The layers and their form.
    ///   - begins: Called when a pass of the model starts.
    ///   - body: Computes a recording's value from its layers.
    /// - Throws: ``FeatureError`` when the model has no such layer.
    public func features<Value: Sendable>(
        of recordings: Recordings, _ request: FeatureRequest, begins: (@Sendable (PassStart) -> Void)? = nil,
        _ body: @escaping @Sendable ([LayerFeatures]) throws -> Value
    ) throws -> InferenceResults<Value> {
        try features(of: recordings, request, begins: begins).mapValues(on: session) { _, features in try body(features)
        }
    }

    /// Returns the code book entries that the quantizer chooses for many recordings.
    ///
    /// - Parameter recordings: The recordings.
    /// - Returns: For each recording, in order, its codes, or its error.
    /// - Throws: ``FeatureError/noQuantizer(checkpoint:reason:)``, `CancellationError` when the task is canceled,
    ///   `TorchError` when the model fails.
    public func codes(_ recordings: [Recording]) async throws -> [Result<QuantizerCodes, any Error>] {
        try await codes(of: Recordings(recordings)).all()
    }

    /// Returns the code book entries that the quantizer chooses, as the results are iterated, in the recordings' order.
    ///
    /// - Parameters:
    ///   - recordings: The recordings.
    ///   - begins: Called when a pass of the model starts.
    /// - Throws: ``FeatureError/noQuantizer(checkpoint:reason:)``.
    public func codes(
        of recordings: Recordings, begins: (@Sendable (PassStart) -> Void)? = nil
    ) throws -> InferenceResults<QuantizerCodes> {
        let quantizer = try requireQuantizer()
        return rows(of: recordings, begins: begins) { try $0.codes($1, lengths: $2) }.mapValues(on: session) {
            _, rows in
            let flat = try rows.values.first?.elements(Int.self) ?? []
            return QuantizerCodes(
                entries: stride(from: 0, to: flat.count, by: quantizer.groups).map {
                    Array(flat[$0..<$0 + quantizer.groups])
                }, entriesPerGroup: quantizer.entriesPerGroup)
        }
    }

    /// Returns the sizes of the quantizer's code books.
    ///
    /// - Returns: The number of code books, and the number of entries of each.
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

    /// Returns the outputs of the model's stages for recordings.
    private func rows(
        of recordings: Recordings, begins: (@Sendable (PassStart) -> Void)?,
        _ stages: @escaping @Sendable (FeatureModel, Tensor, [Int]) throws -> StageRows
    ) -> InferenceResults<RecordingRows> {
        let passes = session.passes { model, windows in
            try model.rows(of: windows) { try stages(model, $0, $1) }
        }
        let layers = session.input.layers
        return session.results(of: recordings) { windows in
            try await passes.outputs(of: windows, as: .long, begins: begins)
        } gatherer: { recording in
            RecordingRows(of: recording, layers: layers)
        }
    }
}
