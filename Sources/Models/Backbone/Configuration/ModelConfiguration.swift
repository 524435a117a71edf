/// The architecture and the dropouts of a wav2vec 2.0 model, with fairseq's names and the BASE model's values.
public struct ModelConfiguration: Sendable, Equatable {
    /// The normalization of the feature extractor.
    public enum ExtractorMode: String, Sendable, Codable, CaseIterable {
        /// GroupNorm, one group a channel, after the first convolution (BASE).
        case groupNorm = "default"
        /// LayerNorm after every convolution (LARGE).
        case layerNorm = "layer_norm"
    }

    /// The nonlinearity of the feed-forward blocks.
    public enum Activation: String, Sendable, Codable, CaseIterable {
        /// x Φ(x), exact.
        case gelu
        /// The same, approximated by a hyperbolic tangent.
        case geluAccurate = "gelu_accurate"
        /// fairseq's older name of `gelu_accurate`.
        case geluFast = "gelu_fast"
        /// max(0, x).
        case relu
        /// max(0, x)².
        case reluSquared = "relu_squared"
        /// The hyperbolic tangent.
        case tanh
        /// x σ(x).
        case swish
        /// None: x itself.
        case linear
    }

    // MARK: Feature extractor

    /// The normalization of the feature extractor.
    public var extractorMode = ExtractorMode.groupNorm
    /// The feature extractor's convolutions: channels, kernel and stride of each, the latter two in its input rows.
    public var convFeatureLayers: ConvolutionLayers
    /// Whether the convolutions have a bias.
    public var convBias = false
    /// The factor on gradients into the extractor; 0 freezes it.
    public var featureGradMult = 0.1

    // MARK: Encoder

    /// Transformer layers of a plain encoder.
    public var encoderLayers = 12
    /// Channels of the encoder.
    public var encoderEmbedDim = 768
    /// Channels inside the feed-forward blocks.
    public var encoderFfnEmbedDim = 3072
    /// The number of attention heads of a layer, which share the encoder's channels.
    public var encoderAttentionHeads = 12
    /// The nonlinearity of the feed-forward blocks.
    public var activationFn = Activation.gelu
    /// Whether blocks normalize before attention and feed-forward (LARGE) instead of after.
    public var layerNormFirst = false
    /// Kernel of the positional convolution, in frames.
    public var convPos = 128
    /// Groups of the positional convolution.
    public var convPosGroups = 16
    /// The Hourglass Transformer's layers, or `nil` for a plain encoder of `encoderLayers`.
    public var hourglass: HourglassLayout?
    /// The way in which the Hourglass merges and expands frames.
    public var hourglassResample = HourglassLayout.Resampling.naive

    /// Whether training keeps only the inputs of transformer layers and reruns each layer in the backward pass.
    ///
    /// This takes much less memory and about a quarter more time, with the same results.
    public var checkpointActivations = false

    // MARK: Dropouts

    /// Probability of dropout after attention and feed-forward, and on the encoder's input.
    public var dropout = 0.1
    /// Probability of dropout of attention weights.
    public var attentionDropout = 0.1
    /// Probability of dropout inside the feed-forward blocks.
    public var activationDropout = 0.0
    /// Probability of dropout of projected features.
    public var dropoutInput = 0.1
    /// Probability of dropout of the features that become targets.
    public var dropoutFeatures = 0.1
    /// Probability that a layer is skipped in training (LayerDrop).
    public var encoderLayerdrop = 0.05
    /// Probability of dropout before the CTC projection.
    public var finalDropout = 0.0

    // MARK: Quantizer and targets

    /// Whether targets are quantized.
    public var quantizeTargets = true
    /// Whether the encoder's input is quantized.
    public var quantizeInput = false
    /// Whether input and targets share a quantizer.
    public var sameQuantizer = false
    /// Whether targets pass a gated linear unit.
    public var targetGlu = false
    /// Channels of targets and predictions; 0 means the encoder's.
    public var finalDim = 256
    /// Entries of each code book.
    public var latentVars = 320
    /// The number of code books.
    public var latentGroups = 2
    /// Channels of the quantizer's output; 0 means `finalDim` (targets) or the encoder's (input).
    public var latentDim = 0
    /// Start, end and decay per update of the Gumbel temperature.
    public var latentTemp = [2.0, 0.5, 0.999995]
    /// Layers of the projection to the code books' logits.
    public var quantizerDepth = 1
    /// Width of that projection's inner layers, in multiples of its input's.
    public var quantizerFactor = 3
    /// Whether all groups share one code book.
    public var combineGroups = false

    /// The BASE model.
    public init() {
        guard let layers = try? ConvolutionLayers(parsing: "[(512,10,5)]+[(512,3,2)]*4+[(512,2,2)]*2") else {
            preconditionFailure("the BASE model's convolutions are well formed")
        }
        convFeatureLayers = layers
    }

    /// Channels of the extractor's output.
    public var extractorChannels: Int { convFeatureLayers.layers.last?.channels ?? 0 }

    /// Channels of targets and predictions.
    public var targetChannels: Int { finalDim > 0 ? finalDim : encoderEmbedDim }

    /// The number of encoder layers, whatever their arrangement.
    public var layerCount: Int { hourglass.map { $0.pre + $0.middle + $0.post } ?? encoderLayers }

    /// Checks that the sizes match each other.
    ///
    /// - Throws: ``ConfigurationError`` naming the first pair that does not match.
    public func validate() throws {
        func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
            if !condition { throw ConfigurationError(message()) }
        }
        try require(
            encoderAttentionHeads >= 1 && encoderEmbedDim >= 1 && encoderEmbedDim % encoderAttentionHeads == 0,
            "encoder_embed_dim \(encoderEmbedDim) is not a multiple of encoder_attention_heads \(encoderAttentionHeads)"
        )
        try require(
            convPosGroups >= 1 && encoderEmbedDim % convPosGroups == 0,
            "encoder_embed_dim \(encoderEmbedDim) is not a multiple of conv_pos_groups \(convPosGroups)")
        try require(convPos >= 1, "conv_pos is \(convPos); it must be at least 1")
        try require(encoderFfnEmbedDim >= 1, "encoder_ffn_embed_dim is \(encoderFfnEmbedDim); it must be at least 1")
        try require(layerCount >= 1, "the encoder has no layers; set encoder_layers")
        try require(
            hourglass == nil || !layerNormFirst,
            "hourglass works with layer_norm_first: false only, as its middle layers join the residual unnormalized")
        try require(
            latentVars >= 1 && latentGroups >= 1, "latent_vars and latent_groups must be at least 1")
        for (name, size) in [
            ("latent_dim or final_dim", latentDim > 0 ? latentDim : targetChannels),
            ("latent_dim or encoder_embed_dim", latentDim > 0 ? latentDim : encoderEmbedDim),
        ] where quantizeTargets || quantizeInput {
            try require(
                size % latentGroups == 0, "\(name) \(size) is not a multiple of latent_groups \(latentGroups)")
        }
        for (name, value, least) in [
            ("quantizer_depth", quantizerDepth, 1), ("quantizer_factor", quantizerFactor, 1),
            ("final_dim", finalDim, 0), ("latent_dim", latentDim, 0),
        ] {
            try require(value >= least, "\(name) is \(value); it must be at least \(least)")
        }
        try require(featureGradMult >= 0, "feature_grad_mult is \(featureGradMult); it must be at least 0")
        try require(
            latentTemp.count == 3 && latentTemp.allSatisfy { $0 > 0 } && latentTemp[2] <= 1,
            "latent_temp needs three positive numbers: start, end, and a decay of at most 1")
        for (name, value) in [
            ("dropout", dropout), ("attention_dropout", attentionDropout), ("activation_dropout", activationDropout),
            ("dropout_input", dropoutInput), ("dropout_features", dropoutFeatures),
            ("encoder_layerdrop", encoderLayerdrop), ("final_dropout", finalDropout),
        ] {
            try require(value >= 0 && value < 1, "\(name) is \(value); it must be at least 0 and below 1")
        }
    }
}

/// The masking of frames and channels: fairseq's `mask_*` options with the BASE model's pre-training values.
public struct MaskingConfiguration: Sendable, Equatable {
    /// Spans over time, replaced by the learned mask embedding.
    public var time = SpanMasking(probability: 0.65, length: 10)
    /// Spans over channels, set to zero.
    public var channel = SpanMasking(probability: 0, length: 10)
    /// Whether channels are masked before time.
    public var maskChannelBefore = false

    /// Makes the BASE model's pre-training values; at least two spans over time, a constant in fairseq and NVIDIA's
    /// program.
    public init() {
        time.minMasks = 2
    }

    /// Checks that masked spans over channels leave some channels.
    ///
    /// - Throws: ``ConfigurationError`` naming the keys that contradict each other.
    public func validate(channels: Int) throws {
        guard channel.probability > 0 else { return }
        guard channel.leastLength < channels else {
            let key = channel.selection == .uniform ? "mask_channel_other" : "mask_channel_length"
            throw ConfigurationError(
                "masking.\(key) is \(channel.leastLength), and the encoder has only \(channels) channels "
                    + "(model.encoder_embed_dim), so a span would mask all of them", "lower masking.\(key)")
        }
        let spans = channel.leastSpans(channels)
        guard spans < channels else {
            throw ConfigurationError(
                "\(spans) spans would be masked in the encoder's \(channels) channels (model.encoder_embed_dim)",
                "lower masking.mask_channel_prob or masking.mask_channel_min_masks, or raise masking.mask_channel_length"
            )
        }
    }
}
