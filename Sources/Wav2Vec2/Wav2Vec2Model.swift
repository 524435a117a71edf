import Kernels
import Torch

/// The part of wav2vec 2.0 that pre-training and fine-tuning share: feature extractor, projection, masking, encoder.
public final class Wav2Vec2Model: Module {
    /// The convolutions from samples to features.
    @Child("feature_extractor") public var featureExtractor: FeatureExtractor
    @Child("layer_norm") var norm: LayerNorm
    @Child("post_extract_proj") var projection: Linear?
    @Parameter("mask_emb") package var maskEmbedding: Tensor
    /// The context network over masked, projected features.
    @Child("encoder") public var encoder: TransformerEncoder
    /// The architecture.
    public let configuration: ModelConfiguration

    /// Makes a model.
    ///
    /// - Parameters:
    ///   - configuration: The architecture.
    ///   - initializer: Where parameters come from.
    /// - Throws: ``ConfigurationError`` naming the setting that no model can have; `TorchError.operation` if LibTorch
    ///   refuses.
    public init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        try configuration.validate()
        self.configuration = configuration
        super.init()
        let channels = configuration.extractorChannels
        featureExtractor = try FeatureExtractor(configuration, initializer: initializer)
        norm = try LayerNorm(channels, initializer: initializer)
        projection =
            try channels != configuration.encoderEmbedDim && !configuration.quantizeInput
            ? Linear(channels, configuration.encoderEmbedDim, initializer: initializer) : nil
        maskEmbedding = try initializer.uniform([configuration.encoderEmbedDim], 0, 1)
        encoder = try TransformerEncoder(configuration, initializer: initializer)
    }

    /// The parameters of the layers that LayerDrop skips: a pass leaves them without gradients.
    ///
    /// - Parameter pass: What decides it.
    /// - Returns: Names, such as `encoder.layers.3.fc1.weight`.
    public func droppedParameters(_ pass: ForwardPass) -> Set<String> {
        Set(encoder.droppedParameters(pass).map { "encoder." + $0 })
    }

    /// What the feature extractor makes of a batch.
    public struct Features {
        /// The convolutions' output before normalisation, [frames, channels].
        public let raw: Tensor
        /// After normalisation, [frames, channels].
        public let normalized: Tensor
        /// Where utterances lie.
        public let layout: RaggedLayout
    }

    /// Runs the feature extractor, with its gradients scaled, or without any when they are frozen.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths].
    ///   - lengths: The samples of each utterance.
    ///   - masked: For each utterance the sorted positions of frames that nobody reads: frozen convolutions leave them out.
    /// - Returns: The features before and after normalisation, and where utterances lie.
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame; `TorchError.operation` if
    ///   LibTorch refuses.
    public func features(_ samples: Tensor, lengths: [Int], leavingOut masked: [[Int]]? = nil) throws -> Features {
        let multiplier = configuration.featureGradMult
        let (raw, layout) =
            try multiplier > 0
            ? featureExtractor(samples, lengths: lengths, leavingOut: masked)
            : withoutGradient { try featureExtractor(samples, lengths: lengths, leavingOut: masked) }
        let scaled = try multiplier > 0 ? raw.scalingGradient(by: multiplier) : raw
        return Features(raw: scaled, normalized: try profiled(.projection) { try norm(scaled) }, layout: layout)
    }

    /// From normalised features to the encoder's input, before masking.
    func encoderInput(_ features: Features, _ mode: Mode) throws -> Tensor {
        try profiled(.projection) {
            let projected = try projection.map { try $0(features.normalized) } ?? features.normalized
            return try projected.dropout(configuration.dropoutInput, mode)
        }
    }

    /// Masks the encoder's input and runs the encoder, for some rows of its result or all.
    func context(
        _ input: Tensor, _ layout: RaggedLayout, mask: PlacedMask?, channelsFirst: Bool, reading rows: Tensor? = nil,
        _ pass: ForwardPass
    ) throws -> Tensor {
        try profiled(.elementwise) {
            let masked =
                try mask.map { try input.masked($0, embedding: maskEmbedding, channelsFirst: channelsFirst) }
                ?? input
            pass.probe?("encoder_input", masked)
            let context = try encoder(masked, layout, reading: rows, pass)
            pass.probe?("encoder_out", context)
            return context
        }
    }

    /// Context vectors of utterances.
    ///
    /// The probe sees `conv_features`, `features_ln`, `encoder_input`, the encoder's stages and `encoder_out`; without one,
    /// masked frames' features are computed for gradients alone.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths].
    ///   - lengths: The samples of each utterance.
    ///   - mask: What to mask, if anything.
    ///   - channelsFirst: Whether channels are masked before frames.
    ///   - pass: Dropouts, LayerDrop and probe.
    /// - Returns: [frames, channels] and where utterances lie.
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame; `TorchError.operation` if
    ///   LibTorch refuses.
    public func callAsFunction(
        _ samples: Tensor, lengths: [Int], mask: Mask? = nil, channelsFirst: Bool = false,
        _ pass: ForwardPass = .inference
    ) throws -> (context: Tensor, layout: RaggedLayout) {
        let features = try features(
            samples, lengths: lengths, leavingOut: pass.probe == nil ? mask?.frames : nil)
        pass.probe?("conv_features", features.raw)
        pass.probe?("features_ln", features.normalized)
        let input = try encoderInput(features, pass.mode)
        let placed = try mask.map {
            try PlacedMask($0, features.layout, channels: input.size(1), on: input.device)
        }
        let context = try context(input, features.layout, mask: placed, channelsFirst: channelsFirst, pass)
        return (context, features.layout)
    }
}
