import Foundation
import W2VBackbone
import W2VBase

/// Hugging Face's `config.json` in terms of our settings.
enum HuggingFaceConfiguration {
    /// The result of reading a configuration.
    struct Reading {
        /// The model, without vocabulary and preprocessing.
        var description: ModelDescription
        /// The family whose fields and names it has.
        var family: ModelFamily
        /// The keys that are ignored.
        var unused: [String]
    }

    /// Related architectures that are not supported, with the reason.
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

    /// The key of the settings that theirs has no key for; Transformers ignores and keeps it.
    static let ownMember = ForeignArguments.ownMember

    /// The number that Transformers' feature extractor adds to the variance.
    static let normalizeEpsilon = 1e-7

    /// Keys of every configuration that do not matter for a model: token numbers, bookkeeping.
    private static let bookkeeping: Set<String> = [
        "_name_or_path", "_attn_implementation", "architectures", "attn_implementation", "bos_token_id",
        "chunk_size_feed_forward", "dtype", "eos_token_id", "gradient_checkpointing", "model_type",
        "output_attentions", "output_hidden_states", "pad_token_id", "return_dict", "torch_dtype",
        "transformers_version", "use_cache", "vocab_size", "tokenizer_class", "problem_type", "id2label", "label2id",
        ownMember,
    ]

    /// Reads a configuration, without vocabulary and preprocessing.
    ///
    /// - Parameter names: The names of the weights, from which the task follows if the configuration lacks it.
    /// - Returns: The description, its family, and the keys that are ignored.
    /// - Throws: ``ConfigurationError`` naming an option that this architecture does not support, or an invalid value.
    static func read(_ root: JSONObject, names: some Collection<String>) throws -> Reading {
        let type = root["model_type"]?.string ?? ""
        guard let family = ModelFamily.named(type) else {
            let known = ModelFamily.registered.compactMap(\.modelType)
            throw ConfigurationError(
                "it is \(relatives[type] ?? "of the model_type \(root["model_type"]?.excerpt ?? "missing")"); "
                    + "only the families \(known.joined(separator: " and ")) are known here")
        }
        var description = ModelDescription(task: try task(root, family, names: names), model: ModelConfiguration())
        for task in ModelTask.describing(description.task) { task.huggingFace.setDefaults(&description) }
        family.defaults(&description)
        description.normalizeEpsilon = normalizeEpsilon
        let fields = family.fields(of: description.task)
        for field in fields { try field.apply(root, to: &description) }
        if let settings = root[ownMember]?.object { try description.apply(settings) }
        try description.model.validate()
        let known = bookkeeping.union(family.ignoredKeys).union(fields.map(\.key))
        let unused =
            root.keys.filter { !known.contains($0) && root[$0] != .null }
            + fields.filter { !$0.covers(root) }.map(\.key)
        return Reading(description: description, family: family, unused: unused.sorted())
    }

    private static func task(
        _ root: JSONObject, _ family: ModelFamily, names: some Collection<String>
    ) throws -> ModelTask {
        if let name = root["architectures"]?.array?.first {
            let known = family.allArchitectures + ModelFamily.registered.flatMap(\.allArchitectures)
            guard let architecture = known.first(where: { $0.name == name.string }) else {
                throw ConfigurationError(
                    "its architecture is \(name.string?.printable ?? name.excerpt), where one of "
                        + "\(Set(known.map(\.name)).sorted().joined(separator: ", ")) is expected")
            }
            return architecture.task
        }
        let found = ModelTask.registered.last { task in
            family.headNames(of: task).contains { pair in
                pair.marksHead && names.contains { pair.native(of: $0) != nil }
            }
        }
        return found ?? .encoder
    }

    /// Returns the configuration of a model.
    ///
    /// - Parameters:
    ///   - family: The family whose keys it gets.
    ///   - dtype: The name of its weights' type, such as `float32`.
    ///   - labels: The rows of the output layer; nil for a model without one.
    ///   - tokens: The numbers of the tokenizer's specials: padding (the blank), beginning and end.
    /// - Returns: All that Transformers needs to make the same model, and the task's settings that it cannot store, one
    ///   phrase each, starting with the key.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` naming an option that their architecture lacks.
    static func write(
        _ description: ModelDescription, _ family: ModelFamily, dtype: String, labels: Int?,
        tokens: (padding: Int, beginning: Int?, end: Int?)
    ) throws -> (json: JSONValue, left: [String]) {
        try refuseForeign(description)
        guard let type = family.modelType,
            let architecture = family.architecture(of: description.task)
        else {
            throw CheckpointError.cannotHold(
                format: .huggingFace, what: description.task.phrase, advice: "keep the model in the native format")
        }
        var resolved = description
        resolved.model = description.model.withEffectiveSizes
        var root: JSONObject = [
            "model_type": .string(type),
            "architectures": .array([.string(architecture.name)]),
            "dtype": .string(dtype),
            "num_feat_extract_layers": .integer(description.model.convFeatureLayers.layers.count),
            "initializer_range": .number(0.02),
            "use_weighted_layer_sum": .bool(false),
            "pad_token_id": .integer(tokens.padding),
            "bos_token_id": tokens.beginning.map(JSONValue.integer) ?? .null,
            "eos_token_id": tokens.end.map(JSONValue.integer) ?? .null,
            "vocab_size": .integer(labels ?? 32),
        ]
        for field in family.fields(of: description.task) {
            if let value = field.value(resolved) { root[field.key] = value }
        }
        // Settings that reading this would not restore are stored beside it.
        var read = try read(root, names: []).description
        // The preprocessor's configuration contains it.
        read.normalize = description.normalize
        let others = resolved.settings(differingFrom: read)
        if !others.isEmpty { root[ownMember] = ModelDescription.json(others) }
        let left = others.filter { description.uses($0.key) }.map { key, text in
            key == "normalize_epsilon" ? "\(key): \(text), where theirs is always 1e-07" : "\(key): \(text)"
        }
        return (.object(root), left)
    }

    private static func refuseForeign(_ description: ModelDescription) throws {
        let model = description.model
        let refused =
            (model.quantizeInput ? ["a quantized input (quantize_input)"] : [])
            + description.task.huggingFace.refusals(model)
        if let found = refused.first {
            throw CheckpointError.cannotHold(
                format: .huggingFace, what: found, advice: "keep the model in the native format")
        }
    }
}
