extension ModelConfiguration {
    /// The keys of a recipe's `model` section and of a checkpoint's configuration.
    public static let settings: [Setting<ModelConfiguration>] = [
        Setting("extractor_mode", \.extractorMode, "group norm after the first convolution, or layer norm after each"),
        Setting("conv_feature_layers", \.convFeatureLayers, "convolutions as (channels, kernel, stride)"),
        Setting("conv_bias", \.convBias, "whether convolutions have a bias"),
        Setting("feature_grad_mult", \.featureGradMult, "factor on gradients into the extractor; 0 freezes it"),
        Setting("encoder_layers", \.encoderLayers, "transformer layers of a plain encoder"),
        Setting("encoder_embed_dim", \.encoderEmbedDim, "channels of the encoder"),
        Setting("encoder_ffn_embed_dim", \.encoderFfnEmbedDim, "channels inside the feed-forward blocks"),
        Setting("encoder_attention_heads", \.encoderAttentionHeads, "attention heads"),
        Setting("activation_fn", \.activationFn, "nonlinearity of the feed-forward blocks"),
        Setting("layer_norm_first", \.layerNormFirst, "normalise before each block instead of after"),
        Setting("conv_pos", \.convPos, "kernel of the positional convolution"),
        Setting("conv_pos_groups", \.convPosGroups, "groups of the positional convolution"),
        Setting("hourglass", \.hourglass, "Hourglass layers [pre,(middle,factor),post], or off"),
        Setting("hourglass_resample", \.hourglassResample, "how the Hourglass merges and expands frames"),
        Setting(
            "checkpoint_activations", \.checkpointActivations,
            "whether the backward pass runs transformer layers again, to save memory"),
        Setting("dropout", \.dropout, "dropout after attention and feed-forward, and on the encoder's input"),
        Setting("attention_dropout", \.attentionDropout, "dropout of attention weights"),
        Setting("activation_dropout", \.activationDropout, "dropout inside the feed-forward blocks"),
        Setting("dropout_input", \.dropoutInput, "dropout of projected features"),
        Setting("dropout_features", \.dropoutFeatures, "dropout of the features that become targets"),
        Setting("encoder_layerdrop", \.encoderLayerdrop, "probability of skipping a layer"),
        Setting("final_dropout", \.finalDropout, "dropout before the CTC projection"),
        Setting("quantize_targets", \.quantizeTargets, "whether targets are quantized"),
        Setting("quantize_input", \.quantizeInput, "whether the encoder's input is quantized"),
        Setting("same_quantizer", \.sameQuantizer, "whether input and targets share a quantizer"),
        Setting("target_glu", \.targetGlu, "a gated linear unit on targets"),
        Setting("final_dim", \.finalDim, "channels of targets and predictions; 0 for the encoder's"),
        Setting("latent_vars", \.latentVars, "entries of each code book"),
        Setting("latent_groups", \.latentGroups, "number of code books"),
        Setting("latent_dim", \.latentDim, "channels of code vectors; 0 for final_dim"),
        Setting("latent_temp", \.latentTemp, "Gumbel temperature: start, end, decay per update"),
        Setting("quantizer_depth", \.quantizerDepth, "layers of the projection to code-book logits"),
        Setting("quantizer_factor", \.quantizerFactor, "width of that projection's inner layers, in inputs"),
        Setting("combine_groups", \.combineGroups, "whether all groups share one code book"),
    ]
}

extension SpanMasking {
    fileprivate static func settings(_ prefix: String, _ negation: String, _ what: String) -> [Setting<SpanMasking>] {
        [
            Setting("\(prefix)prob", \.probability, "share of \(what) covered by spans if none overlapped"),
            Setting("\(prefix)length", \.length, "length of a masked span of \(what)"),
            Setting("\(prefix)selection", \.selection, "how span lengths over \(what) are drawn"),
            Setting("\(prefix)other", \.other, "second parameter of the span lengths' distribution"),
            Setting("\(negation)overlap", \.noOverlap, "whether spans over \(what) must not overlap"),
            Setting("\(prefix)min_space", \.minSpace, "least number of \(what) between spans that do not overlap"),
            Setting("\(prefix)min_masks", \.minMasks, "least number of spans over \(what)"),
            Setting("\(prefix)same_count", \.requireSameMasks, "whether all utterances mask equally many \(what)"),
            Setting("\(prefix)dropout", \.maskDropout, "share of masked \(what) that are unmasked again"),
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
                "mask_count_multiple", \.time.countMultiple,
                "what each utterance's masked frames are a multiple of, if they are so many"),
            Setting("mask_channel_before", \.maskChannelBefore, "whether channels are masked before frames"),
        ]
}

extension ObjectiveConfiguration {
    /// The keys of a recipe's `objective` section.
    public static let settings: [Setting<ObjectiveConfiguration>] = [
        Setting("num_negatives", \.numNegatives, "distractors from the same utterance"),
        Setting("cross_sample_negatives", \.crossSampleNegatives, "distractors from all utterances of the sub-batch"),
        Setting("codebook_negatives", \.codebookNegatives, "distractors made of random code-book entries"),
        Setting("negatives_from_everywhere", \.negativesFromEverywhere, "distractors from unmasked frames too"),
        Setting("logit_temp", \.logitTemp, "temperature that divides cosine similarities"),
        Setting("infonce", \.infonce, "InfoNCE (true) or binary cross-entropy (false)"),
        Setting("loss_weights", \.lossWeights, "weights of diversity loss and feature penalty"),
    ]
}

extension CTCConfiguration {
    /// The keys of a recipe's `ctc` section.
    public static let settings: [Setting<CTCConfiguration>] = [
        Setting("blank_weight", \.blankWeight, "added to or put in place of the blank's logit"),
        Setting("blank_mode", \.blankMode, "whether blank_weight is added or set"),
        Setting("zero_infinity", \.zeroInfinity, "whether labels that cannot fit their frames cost nothing"),
        Setting("freeze_finetune_updates", \.freezeFinetuneUpdates, "updates that train the output layer only"),
    ]
}
