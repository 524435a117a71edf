import W2VKernels
import W2VTorch

/// The shared part of pre-training and fine-tuning: feature extractor, projection, masking, encoder.
public final class Wav2Vec2Model: Module {
    /// The prefix of the feature extractor's parameter names.
    static let extractorKey = "feature_extractor"
    /// The convolutions from samples to features.
    @Child(Wav2Vec2Model.extractorKey) public var featureExtractor: FeatureExtractor
    @Child("layer_norm") var norm: LayerNorm
    @Child("post_extract_proj") var projection: Linear?
    @Parameter("mask_emb") package var maskEmbedding: Tensor
    /// The context network over masked, projected features.
    @Child("encoder") public var encoder: TransformerEncoder
    /// The architecture.
    public let configuration: ModelConfiguration

    /// Makes a model.
    ///
    /// - Throws: ``ConfigurationError`` naming an invalid setting.
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

    /// The names of the feature extractor's parameters, which `feature_grad_mult: 0` freezes.
    public var extractorNames: Set<String> {
        Set(featureExtractor.parameters().map { "\(Self.extractorKey).\($0.name)" })
    }

    /// Returns the names of the parameters of layers that LayerDrop skips, such as `encoder.layers.3.fc1.weight`.
    ///
    /// A pass leaves them without gradients.
    public func droppedParameters(_ pass: ForwardPass) -> Set<String> {
        Set(encoder.droppedParameters(pass).map { "encoder." + $0 })
    }

    /// The feature extractor's output for a batch.
    public struct Features {
        /// The convolutions' output before normalization, [frames, channels].
        public let raw: Tensor
        /// After normalization, [frames, channels].
        public let normalized: Tensor
        /// The layout of the utterances' frames.
        public let layout: RaggedLayout
    }

    /// Returns the constants that a pass over whole utterances reads.
    ///
    /// - Parameters:
    ///   - lengths: The samples of each utterance.
    ///   - layout: Their frames.
    package func shapeConstants(samples lengths: [Int], _ layout: RaggedLayout) -> [ShapeConstant] {
        ExtractorParts.shapeConstants(featureExtractor, lengths, layout) + encoder.shapeConstants(layout)
    }

    /// Computes the context vectors of utterances (paper, section 2).
    ///
    /// The probe sees `conv_features`, `features_ln`, `encoder_input`, the encoder's stages and `encoder_out`.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths].
    ///   - lengths: The samples of each utterance.
    ///   - channelsFirst: Whether channels are masked before frames.
    /// - Returns: [frames, channels] and the layout of the utterances' frames.
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame.
    public func callAsFunction(
        _ samples: Tensor, lengths: [Int], mask: Mask? = nil, channelsFirst: Bool = false,
        _ pass: ForwardPass = .inference
    ) throws -> (context: Tensor, layout: RaggedLayout) {
        let features = try features(samples, lengths: lengths, maskedFrames: mask?.frames, pass)
        // The mask's positions count frames of an utterance; placed, they are rows of the batch.
        let placed = try mask.map {
            try PlacedMask(
                $0, features.layout, channels: configuration.encoderEmbedDim,
                through: Upload(to: features.raw.device))
        }
        return (try context(of: features, mask: placed, channelsFirst: channelsFirst, pass), features.layout)
    }

    /// Runs the feature extractor, with scaled gradients, or without gradients when it is frozen.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths].
    ///   - lengths: The samples of each utterance.
    ///   - masked: For each utterance the sorted positions of frames whose features are not read.
    /// - Returns: The features before and after normalization, and the layout of the utterances' frames.
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame.
    public func features(
        _ samples: Tensor, lengths: [Int], maskedFrames masked: [[Int]]? = nil, _ pass: ForwardPass = .inference
    ) throws -> Features {
        func extract() throws -> (Tensor, RaggedLayout) {
            try featureExtractor(samples, lengths: lengths, maskedFrames: masked, pass.plan)
        }
        let multiplier = configuration.featureGradMult
        let (extracted, layout) = try multiplier > 0 ? extract() : withoutGradient(extract)
        let raw = try multiplier > 0 ? extracted.scalingGradient(by: multiplier) : extracted
        let normalized = try profiled(.projection) { try norm(raw) }
        pass.probe?("conv_features", raw)
        pass.probe?("features_ln", normalized)
        return Features(raw: raw, normalized: normalized, layout: layout)
    }

    /// Projects features, masks them, and runs the encoder.
    ///
    /// - Parameters:
    ///   - channelsFirst: Whether channels are masked before frames.
    ///   - rows: The frames whose context is read, int64, each at most once; `nil` for all.
    ///   - quantize: Replaces projected features before they are masked, as with `quantize_input`.
    /// - Returns: [frames, channels], or only the rows that are read.
    package func context(
        of features: Features, mask: PlacedMask?, channelsFirst: Bool, readRows rows: Tensor? = nil,
        _ pass: ForwardPass, quantizing quantize: (Tensor) throws -> Tensor = { $0 }
    ) throws -> Tensor {
        let projected = try profiled(.projection) {
            let projected = try projection?(features.normalized) ?? features.normalized
            return try projected.dropout(configuration.dropoutInput, pass.mode)
        }
        let input = try quantize(projected)
        return try profiled(.elementwise) {
            let masked =
                try mask.map { try input.masked($0, embedding: maskEmbedding, channelsFirst: channelsFirst) }
                ?? input
            pass.probe?("encoder_input", masked)
            let context = try encoder(masked, features.layout, readRows: rows, pass)
            pass.probe?("encoder_out", context)
            return context
        }
    }
}
