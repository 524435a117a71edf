import Base
import Foundation
import Wav2Vec2

/// Hugging Face's `config.json` in terms of ours.
enum HuggingFaceConfiguration {
    /// The families that are this architecture.
    static let families = ["wav2vec2", "hubert"]

    /// Their relatives, and why they are not.
    private static let relatives: [String: String] = [
        "wavlm": "WavLM, whose attention has a gated position bias",
        "data2vec-audio": "Data2Vec, whose positional convolution has several layers",
        "wav2vec2-conformer": "Wav2Vec2-Conformer, whose encoder is made of Conformer blocks",
        "wav2vec2-bert": "Wav2Vec2-BERT, which reads filter banks with Conformer blocks",
        "sew": "SEW, whose encoder runs at a lower frame rate",
        "sew-d": "SEW-D, whose encoder has disentangled attention",
        "unispeech": "UniSpeech, which adds a phonetic objective",
        "unispeech-sat": "UniSpeech-SAT, which adds a speaker-aware objective",
        "whisper": "Whisper, which writes text with a decoder",
        "speecht5": "SpeechT5, which has a decoder",
        "speech-encoder-decoder": "an encoder with a decoder",
        "mctct": "M-CTC-T, which reads filter banks",
    ]

    /// The key of the settings that theirs has no key for, which Transformers passes over and keeps.
    static let ownMember = ForeignArguments.ownMember

    /// What Transformers' feature extractor adds to the variance.
    static let normalizeEpsilon = 1e-7

    /// The classes that are read, by what they were trained for.
    private static let architectures: [String: ModelDescription.Task] = [
        "Wav2Vec2ForPreTraining": .pretraining, "Wav2Vec2ForCTC": .ctc, "Wav2Vec2Model": .encoder,
        "HubertForCTC": .ctc, "HubertModel": .encoder,
    ]

    /// Keys of a configuration that say nothing about these models: other heads, token numbers, bookkeeping.
    private static let irrelevant: Set<String> = [
        "_name_or_path", "_attn_implementation", "adapter_attn_dim", "adapter_kernel_size", "adapter_stride",
        "add_adapter", "apply_spec_augment", "architectures", "attn_implementation", "bos_token_id",
        "chunk_size_feed_forward", "classifier_proj_size", "codevector_dim", "conv_pos_batch_norm",
        "do_stable_layer_norm",
        "dtype", "eos_token_id", "feat_extract_activation", "feat_proj_layer_norm", "gradient_checkpointing",
        "initializer_range", "layer_norm_eps", "model_type", "num_adapter_layers", "num_feat_extract_layers",
        "output_attentions", "output_hidden_size", "output_hidden_states", "pad_token_id", "return_dict",
        "tdnn_dilation",
        "tdnn_dim", "tdnn_kernel", "torch_dtype", "transformers_version", "use_cache", "use_weighted_layer_sum",
        "vocab_size", "xvector_output_dim", "tokenizer_class", "hidden_dropout_prob", "feat_extract_dropout",
        "problem_type", "id2label", "label2id", ownMember,
    ]

    /// The description that a configuration stands for, without vocabulary and preprocessing.
    ///
    /// - Parameters:
    ///   - root: The configuration.
    ///   - names: The names of the weights, which tell the task where the configuration does not.
    /// - Returns: The description, the family's name, and the keys that are not carried over.
    /// - Throws: ``ConfigurationError`` naming what this architecture has not, or a value that makes no sense.
    static func read(
        _ root: JSONObject, names: some Collection<String>
    ) throws -> (description: ModelDescription, family: String, unused: [String]) {
        let type = root["model_type"]?.string ?? ""
        guard families.contains(type) else {
            throw ConfigurationError(
                "it is \(relatives[type] ?? "of the model_type \(root["model_type"]?.excerpt ?? "missing")"); "
                    + "only the families wav2vec2 and hubert are this architecture")
        }
        try refuseVariants(root)
        var description = ModelDescription(task: try task(root, names: names), model: ModelConfiguration())
        HuggingFaceField.setDefaults(&description)
        description.normalizeEpsilon = normalizeEpsilon
        for field in HuggingFaceField.all { try field.apply(root, to: &description) }
        if root["apply_spec_augment"]?.bool == false {
            description.masking.time.probability = 0
            description.masking.channel.probability = 0
        }
        if let settings = root[ownMember]?.object { try description.apply(settings) }
        try description.model.validate()
        let known = irrelevant.union(HuggingFaceField.all.map(\.key))
        var unused = root.keys.filter { !known.contains($0) && root[$0] != .null }
        if root["ctc_loss_reduction"]?.string == "sum" { unused.removeAll { $0 == "ctc_loss_reduction" } }
        return (description, type, unused.sorted())
    }

    private static func refuseVariants(_ root: JSONObject) throws {
        if root["add_adapter"]?.bool == true || (root["adapter_attn_dim"] ?? .null) != .null {
            throw ConfigurationError("the model has adapters, which this architecture has not")
        }
        if (root["quantization_config"] ?? .null) != .null {
            throw ConfigurationError("its weights are quantized; save the model in float32 or float16 first")
        }
        if root["conv_pos_batch_norm"]?.bool == true {
            throw ConfigurationError("conv_pos_batch_norm is true: the positional convolution has a batch norm here")
        }
        if root["feat_proj_layer_norm"]?.bool == false {
            throw ConfigurationError("feat_proj_layer_norm is false: features are always normalised here")
        }
        if let activation = root["feat_extract_activation"], activation.string != "gelu" {
            throw ConfigurationError("feat_extract_activation is \(activation.excerpt), where gelu is expected")
        }
        if let epsilon = root["layer_norm_eps"], epsilon.double != 1e-5 {
            throw ConfigurationError("layer_norm_eps is \(epsilon.excerpt), where 1e-05 is expected")
        }
    }

    private static func task(_ root: JSONObject, names: some Collection<String>) throws
        -> ModelDescription.Task
    {
        if let name = root["architectures"]?.array?.first {
            guard let task = architectures[name.string ?? ""] else {
                throw ConfigurationError(
                    "its architecture is \(name.string?.printable ?? name.excerpt), where one of "
                        + "\(architectures.keys.sorted().joined(separator: ", ")) is expected")
            }
            return task
        }
        if names.contains(where: { $0.hasPrefix("lm_head.") }) { return .ctc }
        return names.contains { $0.hasPrefix("quantizer.") } ? .pretraining : .encoder
    }

    /// The configuration of a model.
    ///
    /// - Parameters:
    ///   - description: The model.
    ///   - dtype: The name of its weights' type, such as `float32`.
    ///   - labels: The rows of a ctc model's output layer.
    ///   - tokens: The numbers of the tokenizer's specials: padding (the blank), beginning and end.
    /// - Returns: All that Transformers needs to make the same model, and the settings of the task that it has no place
    ///   for, a phrase each, its key first.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` naming what their architecture has not.
    static func write(
        _ description: ModelDescription, dtype: String, labels: Int?,
        tokens: (padding: Int, beginning: Int?, end: Int?)
    ) throws -> (json: JSONValue, left: [String]) {
        let model = description.model
        try refuseForeign(description)
        var resolved = description
        resolved.model = model.withEffectiveSizes
        // Without a chance of masking they have no mask embedding: masking is then switched off by another key.
        let masks = max(description.masking.time.probability, description.masking.channel.probability) > 0
        if !masks { resolved.masking.time.probability = 0.05 }
        var root: JSONObject = [
            "model_type": .string("wav2vec2"),
            "architectures": .array([.string(architecture(description.task))]),
            "dtype": .string(dtype),
            "feat_extract_activation": .string("gelu"),
            "num_feat_extract_layers": .integer(model.convFeatureLayers.layers.count),
            "layer_norm_eps": .number(1e-5),
            "initializer_range": .number(0.02),
            "apply_spec_augment": .bool(masks),
            "add_adapter": .bool(false),
            "adapter_attn_dim": .null,
            "use_weighted_layer_sum": .bool(false),
            "ctc_loss_reduction": .string("sum"),
            "pad_token_id": .integer(tokens.padding),
            "bos_token_id": tokens.beginning.map(JSONValue.integer) ?? .null,
            "eos_token_id": tokens.end.map(JSONValue.integer) ?? .null,
            "vocab_size": .integer(labels ?? 32),
        ]
        for field in HuggingFaceField.all { root[field.key] = field.value(resolved) }
        // What reading this would not give back stands beside it.
        var (read, _, _) = try read(root, names: [])
        // The preprocessor's configuration holds it.
        read.normalize = description.normalize
        resolved.masking = description.masking
        let others = resolved.settings(differingFrom: read)
        if !others.isEmpty { root[ownMember] = ModelDescription.json(others) }
        let left = others.filter { description.isUsed($0.key) }.map { key, text in
            key == "normalize_epsilon" ? "\(key): \(text), where theirs is always 1e-07" : "\(key): \(text)"
        }
        return (.object(root), left)
    }

    /// The class that a task's model is loaded by.
    private static func architecture(_ task: ModelDescription.Task) -> String {
        switch task {
        case .pretraining: "Wav2Vec2ForPreTraining"
        case .ctc: "Wav2Vec2ForCTC"
        case .encoder: "Wav2Vec2Model"
        }
    }

    private static func refuseForeign(_ description: ModelDescription) throws {
        let model = description.model
        var refused: [(Bool, String)] = [
            (model.hourglass != nil, "an Hourglass Transformer"),
            (model.quantizeInput, "a quantized input (quantize_input)"),
        ]
        if description.task == .pretraining {
            refused += [
                (!model.quantizeTargets, "targets without a quantizer"), (model.targetGlu, "target_glu"),
                (model.quantizerDepth > 1, "a quantizer_depth above 1"), (model.combineGroups, "combine_groups"),
            ]
        }
        if let found = refused.first(where: \.0) {
            throw CheckpointError.cannotHold(
                format: .huggingFace, what: found.1, advice: "keep the model in the native format")
        }
    }
}
