extension ModelConfiguration {
    /// The keys of a recipe's `model` section and of a checkpoint's configuration.
    public static let settings: [Setting<ModelConfiguration>] = [
        Setting(
            "extractor_mode", \.extractorMode, "group norm after the first convolution, or layer norm after each",
            of: .architecture),
        Setting(
            "conv_feature_layers", \.convFeatureLayers, "convolutions as (channels, kernel, stride)", of: .architecture),
        Setting("conv_bias", \.convBias, "whether convolutions have a bias", of: .architecture),
        Setting(
            "feature_grad_mult", \.featureGradMult, "factor on gradients into the feature extractor; 0 freezes it",
            of: .backboneTraining),
        Setting("encoder_layers", \.encoderLayers, "transformer layers of a plain encoder", of: .architecture),
        Setting("encoder_embed_dim", \.encoderEmbedDim, "channels of the encoder", of: .architecture),
        Setting(
            "encoder_ffn_embed_dim", \.encoderFfnEmbedDim, "channels inside the feed-forward blocks", of: .architecture),
        Setting("encoder_attention_heads", \.encoderAttentionHeads, "attention heads", of: .architecture),
        Setting("activation_fn", \.activationFn, "nonlinearity of the feed-forward blocks", of: .architecture),
        Setting(
            "layer_norm_first", \.layerNormFirst, "normalize before each block instead of after", of: .architecture),
        Setting("conv_pos", \.convPos, "kernel of the positional convolution", of: .architecture),
        Setting("conv_pos_groups", \.convPosGroups, "groups of the positional convolution", of: .architecture),
        Setting("hourglass", \.hourglass, "Hourglass layers [pre,(middle,factor),post], or off", of: .architecture),
        Setting(
            "hourglass_resample", \.hourglassResample, "how the Hourglass shortens and expands sequences",
            of: .hourglass),
        Setting(
            "checkpoint_activations", \.checkpointActivations,
            "whether to recompute transformer layers in the backward pass, to save memory", of: .backboneTraining),
        Setting(
            "dropout", \.dropout, "dropout after attention and feed-forward, and on the encoder's input",
            of: .backboneTraining),
        Setting("attention_dropout", \.attentionDropout, "dropout of attention weights", of: .backboneTraining),
        Setting(
            "activation_dropout", \.activationDropout, "dropout inside the feed-forward blocks", of: .backboneTraining),
        Setting("dropout_input", \.dropoutInput, "dropout of projected features", of: .backboneTraining),
        Setting("dropout_features", \.dropoutFeatures, "dropout of the features that become targets", of: .objective),
        Setting(
            "encoder_layerdrop", \.encoderLayerdrop, "probability of skipping a transformer layer",
            of: .backboneTraining),
        Setting("final_dropout", \.finalDropout, "dropout before the CTC projection", of: .recognition),
        Setting("quantize_targets", \.quantizeTargets, "whether targets are quantized", of: .quantizer),
        Setting("quantize_input", \.quantizeInput, "whether the encoder's input is quantized", of: .quantizer),
        Setting("same_quantizer", \.sameQuantizer, "whether input and targets share a quantizer", of: .quantizer),
        Setting("target_glu", \.targetGlu, "whether targets pass through a gated linear unit", of: .quantizer),
        Setting("final_dim", \.finalDim, "channels of targets and predictions; 0 for the encoder's", of: .quantizer),
        Setting("latent_vars", \.latentVars, "entries of each code book", of: .quantizer),
        Setting("latent_groups", \.latentGroups, "number of code books", of: .quantizer),
        Setting("latent_dim", \.latentDim, "channels of code vectors; 0 for final_dim", of: .quantizer),
        Setting("latent_temp", \.latentTemp, "Gumbel temperature: start, end, decay per update", of: .objective),
        Setting("quantizer_depth", \.quantizerDepth, "layers of the projection to code book logits", of: .quantizer),
        Setting(
            "quantizer_factor", \.quantizerFactor, "width of that projection's inner layers, relative to its input",
            of: .quantizer),
        Setting("combine_groups", \.combineGroups, "whether all groups share one code book", of: .quantizer),
    ]
}

extension SpanMasking {
    fileprivate static func settings(_ prefix: String, _ negation: String, _ what: String) -> [Setting<SpanMasking>] {
        [
            Setting(
                "\(prefix)prob", \.probability, "share of \(what) that masked spans would cover without overlap",
                of: .masking,
                in: .share),
            Setting(
                "\(prefix)length", \.length, "length of a masked span of \(what)", of: .masking, in: .within(1...1e6)),
            Setting("\(prefix)selection", \.selection, "how span lengths over \(what) are drawn", of: .masking),
            Setting(
                "\(prefix)other", \.other, "second parameter of the span lengths' distribution", of: .masking,
                in: .within(0...1e6)),
            Setting("\(negation)overlap", \.noOverlap, "whether spans over \(what) must not overlap", of: .masking),
            Setting(
                "\(prefix)min_space", \.minSpace, "minimum number of \(what) between spans that do not overlap",
                of: .masking, in: .within(0...1e6)),
            Setting(
                "\(prefix)min_masks", \.minMasks, "minimum number of spans over \(what)", of: .masking,
                in: .within(0...1e6)),
            Setting(
                "\(prefix)same_count", \.requireSameMasks, "whether all utterances mask the same number of \(what)",
                of: .masking),
            Setting(
                "\(prefix)dropout", \.maskDropout, "share of masked \(what) to unmask again", of: .masking,
                in: .shareBelowOne),
        ]
    }
}

extension MaskingConfiguration {
    /// The keys of a recipe's `masking` section.
    public static let settings: [Setting<MaskingConfiguration>] =
        SpanMasking.settings("mask_", "no_mask_", "frames").map { $0.lifted("", \.time) }
        + SpanMasking.settings("mask_channel_", "no_mask_channel_", "channels").map { $0.lifted("", \.channel) }
        + [
            Setting(
                "count", \.time.count, "what decides the number of masked frames: spans, or fixed for the length alone",
                of: .masking),
            Setting(
                "mask_count_multiple", \.time.countMultiple,
                "round each utterance's number of masked frames down to a multiple of this", of: .masking,
                in: .atLeast(1)),
            Setting(
                "mask_channel_before", \.maskChannelBefore, "whether channels are masked before frames", of: .masking),
        ]
}
