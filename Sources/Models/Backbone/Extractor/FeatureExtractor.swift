import W2VKernels
import W2VTorch

/// The convolutional feature extractor: from raw samples to one vector every 20 ms (paper, section 2).
///
/// The whole batch runs as one signal. Every utterance starts at a row that is a multiple of the remaining strides, so
/// its windows stay aligned and its frames see its own samples only; at each layer one or two rows straddle a boundary,
/// are never read by a valid frame, and are dropped at the end.
public final class FeatureExtractor: Module {
    @Child("conv_layers") package var blocks: [ExtractorBlock]
    /// The sizes of the convolutions.
    public let layers: ConvolutionLayers

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        layers = configuration.convFeatureLayers
        super.init()
        var inputs = 1
        var blocks: [ExtractorBlock] = []
        for (index, layer) in layers.layers.enumerated() {
            // Utterances start at multiples of the strides from this layer on.
            let following = layers.layers[index...].map(\.stride).reduce(1, *)
            blocks.append(
                try ExtractorBlock(
                    inputs: inputs, layer: layer, startsPairs: following % 4 == 0, bias: configuration.convBias,
                    groupNorm: configuration.extractorMode == .groupNorm && index == 0,
                    layerNorm: configuration.extractorMode == .layerNorm,
                    stage: index == 0 ? .firstConvolution : .convolutions, initializer: initializer))
            inputs = layer.channels
        }
        self.blocks = blocks
    }

    /// Returns the frames of utterances of these numbers of samples.
    ///
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame.
    public func layout(samples: [Int]) throws -> RaggedLayout {
        let frames = samples.map(layers.frames(samples:))
        if let short = frames.firstIndex(of: 0) {
            throw ConfigurationError(
                "utterance \(short) of the batch has \(samples[short]) samples; at least \(layers.receptiveField) are "
                    + "needed for one frame")
        }
        return RaggedLayout(frames)
    }

    /// Computes the features of consecutive utterances.
    ///
    /// - Parameters:
    ///   - samples: All samples, [Σ lengths]; converted to the weights' type if no kernel supports them as they are.
    ///   - lengths: The samples of each utterance.
    ///   - masked: For each utterance the sorted positions of frames whose features are not read.
    ///   - plan: The extent of the computation where no gradient is recorded.
    /// - Returns: [frames, channels] and the layout of the utterances' frames.
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame.
    public func callAsFunction(
        _ samples: Tensor, lengths: [Int], maskedFrames masked: [[Int]]? = nil, _ plan: ExecutionPlan = .lean
    ) throws -> (features: Tensor, layout: RaggedLayout) {
        let frames = try layout(samples: lengths)
        let parts = ExtractorParts(self, lengths, frames, maskedFrames: masked, plan)
        return (try parts.features(samples) { try self($0, keeping: plan.kept) }, frames)
    }

    /// Runs the blocks on a signal.
    ///
    /// - Returns: [rows, channels], including rows that straddle two utterances.
    private func callAsFunction(_ signal: AlignedSignal, keeping kept: KeptActivations) throws -> Tensor {
        var hidden = ExtractorActivation(try signal.samples.viewed(-1, 1))
        for (block, var rows) in zip(blocks, signal.blockRows()) {
            rows.kept = kept
            hidden = try profiled(block.stage) { try block(hidden, rows) }
        }
        return try profiled(.convolutions) { try hidden.finished() }
    }
}
