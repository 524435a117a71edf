import W2VBackbone
import W2VInference
import W2VInterchange
import W2VObjectives
import W2VTorch

/// The requested stages of a forward pass, each with the number of frames that one of its rows spans.
struct StageRows {
    var rows: [(Tensor, factor: Int)]
    var layout: RaggedLayout
}

/// A model and its stages' outputs; used on the session's thread only.
final class FeatureModel {
    private let backbone: Wav2Vec2Model
    private let quantizer: GumbelVectorQuantizer?
    private let device: Device

    /// Loads a checkpoint's model, moves it to its device and converts it.
    init(_ checkpoint: Checkpoint, _ options: InferenceOptions) throws {
        if checkpoint.description.task.hasQuantizer {
            let pretraining = try checkpoint.pretrainingModel()
            try options.prepare(pretraining)
            (backbone, quantizer) = (pretraining.backbone, pretraining.quantizer)
        } else {
            backbone = try checkpoint.sharedModel()
            quantizer = nil
            try options.prepare(backbone)
        }
        device = options.device
    }

    /// Returns the requested stages of a forward pass, each with the number of frames that one of its rows spans.
    func hiddenStates(
        _ samples: Tensor, lengths: [Int], _ stages: [LayerStage], mask: Mask? = nil
    ) throws -> StageRows {
        let wanted = Set(stages.map(\.name))
        var found: [String: Tensor] = [:]
        let layout: RaggedLayout
        if let depth = stages.compactMap(\.depth).max() {
            var pass = ForwardPass.inference
            pass.plan = .full
            pass.plan.depth = depth
            pass.probe = { name, tensor in if wanted.contains(name) { found[name] = tensor } }
            layout = try backbone(samples, lengths: lengths, mask: mask, pass).layout
        } else {
            let features = try backbone.features(samples, lengths: lengths)
            found = ["conv_features": features.raw, "features_ln": features.normalized]
            layout = features.layout
        }
        return StageRows(
            rows: try stages.map { stage in
                guard let tensor = found[stage.name] else {
                    throw TorchError.state("the forward pass did not show \(stage.name)")
                }
                return (tensor, stage.factor)
            }, layout: layout)
    }

    /// Returns the quantizer's code book entries, and one number per frame that is NaN or infinite where its input was.
    func codes(_ samples: Tensor, lengths: [Int]) throws -> StageRows {
        let features = try backbone.features(samples, lengths: lengths)
        guard let quantizer else { return StageRows(rows: [], layout: features.layout) }
        // The quantizer chooses an entry for NaN too; the sum over a frame reveals it.
        let sums = try features.normalized.to(dtype: .float32).sum(1)
        return StageRows(
            rows: [(try quantizer.codes(features.normalized), 1), (sums, 1)], layout: features.layout)
    }

    /// Runs the model over several windows at once.
    ///
    /// - Returns: The rows that each window keeps, for every stage, in host memory.
    func rows(of windows: [Window], _ body: (Tensor, [Int]) throws -> StageRows) throws -> [[Tensor]] {
        try withoutGradient {
            let stages = try body(
                Tensor(Window.joined(windows)).to(device: device), windows.map(\.samples.count))
            return try windows.enumerated().map { row, window in
                try stages.rows.map { tensor, factor in
                    let shortened = RaggedLayout(stages.layout.lengths.map { ($0 + factor - 1) / factor })
                    let first = shortened.offsets[row] + window.kept.lowerBound / factor
                    let last = shortened.offsets[row] + (window.kept.upperBound + factor - 1) / factor
                    let rows = try tensor.rows(first..<last)
                    // A copy, so that the rest of the batch does not stay in memory.
                    return try rows.to(dtype: rows.dtype.isFloatingPoint ? .float32 : rows.dtype, device: .cpu).cloned()
                }
            }
        }
    }
}

/// The outputs for a recording: rows for each stage.
struct RecordingRows: WindowGatherer {
    /// The recording's name in error messages.
    let name: String
    /// The rows of each stage, available at the end.
    private(set) var values: [Tensor] = []
    /// The number of frames of the recording, available at the end.
    private(set) var frames = 0
    private let layers: ConvolutionLayers
    private var parts: [[Tensor]] = []

    init(of recording: Recording, layers: ConvolutionLayers) {
        name = recording.name
        self.layers = layers
    }

    mutating func append(_ part: [Tensor]) throws {
        guard try part.allSatisfy({ try !$0.dtype.isFloatingPoint || $0.isFinite() }) else {
            throw InferenceError.notFinite(recording: name)
        }
        parts.append(part)
    }

    mutating func finished(samples: Int) throws -> RecordingRows {
        values = try (parts.first ?? []).indices.map { stage in try .concatenate(parts.map { $0[stage] }) }
        parts = []
        frames = layers.frames(samples: samples)
        return self
    }
}
