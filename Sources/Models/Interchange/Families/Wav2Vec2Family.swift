import W2VBackbone

extension ModelFamily {
    /// wav2vec 2.0 (arXiv 2006.11477), as in Transformers.
    public static let wav2vec2: ModelFamily = {
        var family = ModelFamily("wav2vec 2.0")
        family.modelType = "wav2vec2"
        family.prefix = "wav2vec2"
        family.names = backboneNames
        family.spellings = [
            "encoder.pos_conv_embed.conv.parametrizations.weight.original0": "encoder.pos_conv_embed.conv.weight_g",
            "encoder.pos_conv_embed.conv.parametrizations.weight.original1": "encoder.pos_conv_embed.conv.weight_v",
        ]
        family.earlierNames = ["mask_time_emb_vector": "masked_spec_embed"]
        family.foreignParts = ["adapter": "adapters"]
        family.fields = requirements + architectureFields + trainingFields
        family.ignoredKeys = [
            "adapter_kernel_size", "adapter_stride", "classifier_proj_size", "conv_pos_batch_norm",
            "feat_extract_dropout", "feat_proj_layer_norm", "hidden_dropout_prob", "initializer_range",
            "num_adapter_layers", "num_feat_extract_layers", "output_hidden_size", "tdnn_dilation", "tdnn_dim",
            "tdnn_kernel", "use_weighted_layer_sum", "xvector_output_dim",
        ]
        family.defaults = setTransformersDefaults
        family.fairseqModels = ["wav2vec2", "wav2vec_ctc", "wav2vec2_ctc"]
        return family
    }()

    // MARK: Names

    private static let backboneNames = [
        ParameterName("mask_emb", "masked_spec_embed"),
        ParameterName("layer_norm.", "feature_projection.layer_norm."),
        ParameterName("post_extract_proj.", "feature_projection.projection."),
        ParameterName("feature_extractor.conv_layers.#.0.", "feature_extractor.conv_layers.#.conv."),
        ParameterName(
            "feature_extractor.conv_layers.0.2.", "feature_extractor.conv_layers.0.layer_norm.",
            extractorMode: .groupNorm),
        ParameterName(
            "feature_extractor.conv_layers.#.2.1.", "feature_extractor.conv_layers.#.layer_norm.",
            extractorMode: .layerNorm),
        ParameterName("encoder.pos_conv.0.weight_g", "encoder.pos_conv_embed.conv.weight_g"),
        ParameterName("encoder.pos_conv.0.weight_v", "encoder.pos_conv_embed.conv.weight_v"),
        ParameterName("encoder.pos_conv.0.bias", "encoder.pos_conv_embed.conv.bias"),
        ParameterName("encoder.layers.#.self_attn.", "encoder.layers.#.attention."),
        ParameterName("encoder.layers.#.self_attn_layer_norm.", "encoder.layers.#.layer_norm."),
        ParameterName("encoder.layers.#.fc1.", "encoder.layers.#.feed_forward.intermediate_dense."),
        ParameterName("encoder.layers.#.fc2.", "encoder.layers.#.feed_forward.output_dense."),
        ParameterName("encoder.layers.#.final_layer_norm.", "encoder.layers.#.final_layer_norm."),
        ParameterName("encoder.layer_norm.", "encoder.layer_norm."),
    ]

    // MARK: Keys of config.json

    /// Options of Transformers' models that this architecture does not support.
    private static let requirements: [HuggingFaceField] = [
        .fixed("add_adapter", false, problem: "the model has adapters, which this architecture has not"),
        .absent("adapter_attn_dim", problem: "the model has adapters, which this architecture has not"),
        .absent(
            "quantization_config", isWritten: false,
            problem: "its weights are quantized; save the model in float32 or float16 first"),
        .fixed(
            "conv_pos_batch_norm", false, isWritten: false,
            problem: "conv_pos_batch_norm is true: the positional convolution has a batch norm here"),
        .fixed(
            "feat_proj_layer_norm", true, isWritten: false,
            problem: "feat_proj_layer_norm is false: features are always normalized here"),
        .fixed("feat_extract_activation", "gelu"),
        .fixed("layer_norm_eps", 1e-5),
    ]

    private static let architectureFields: [HuggingFaceField] = [
        .convolutions("conv_dim", \.channels), .convolutions("conv_kernel", \.kernel),
        .convolutions("conv_stride", \.stride),
        .flag("conv_bias", \.model.convBias),
        .choice("feat_extract_norm", \.model.extractorMode, [("group", .groupNorm), ("layer", .layerNorm)]),
        .integer("num_hidden_layers", \.model.encoderLayers),
        .integer("hidden_size", \.model.encoderEmbedDim),
        .integer("intermediate_size", \.model.encoderFfnEmbedDim),
        .integer("num_attention_heads", \.model.encoderAttentionHeads),
        .choice(
            "hidden_act", \.model.activationFn,
            [
                ("gelu", .gelu), ("relu", .relu), ("tanh", .tanh), ("silu", .swish), ("swish", .swish),
                ("linear", .linear),
            ]),
        .flag("do_stable_layer_norm", \.model.layerNormFirst),
        .integer("num_conv_pos_embeddings", \.model.convPos),
        .integer("num_conv_pos_embedding_groups", \.model.convPosGroups),
        .integer("proj_codevector_dim", \.model.finalDim),
        .integer("codevector_dim", \.model.latentDim),
        .integer("num_codevectors_per_group", \.model.latentVars),
        .integer("num_codevector_groups", \.model.latentGroups),
    ]

    private static let trainingFields: [HuggingFaceField] = [
        .number("hidden_dropout", \.model.dropout),
        .number("attention_dropout", \.model.attentionDropout),
        .number("activation_dropout", \.model.activationDropout),
        .number("feat_proj_dropout", \.model.dropoutInput),
        .number("feat_quantizer_dropout", \.model.dropoutFeatures),
        .number("layerdrop", \.model.encoderLayerdrop),
        .number("final_dropout", \.model.finalDropout),
        .maskProbability("mask_time_prob"),
        .integer("mask_time_length", \.masking.time.length),
        .integer("mask_time_min_masks", \.masking.time.minMasks),
        .number("mask_feature_prob", \.masking.channel.probability),
        .integer("mask_feature_length", \.masking.channel.length),
        .integer("mask_feature_min_masks", \.masking.channel.minMasks),
        .masks("apply_spec_augment"),
    ]

    /// Sets Transformers' defaults for absent keys.
    @Sendable private static func setTransformersDefaults(_ description: inout ModelDescription) {
        description.model.activationDropout = 0.1
        description.model.dropoutInput = 0
        description.model.dropoutFeatures = 0
        description.model.encoderLayerdrop = 0.1
        description.model.finalDropout = 0.1
        description.model.latentDim = 256
        description.masking.time = SpanMasking(probability: 0.05, length: 10)
        description.masking.time.minMasks = 2
    }
}
