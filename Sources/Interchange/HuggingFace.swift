import Foundation
import Torch
import Wav2Vec2

/// Hugging Face's folders: their configuration and names in terms of ours.
enum HuggingFace {
    /// Whether a folder's `config.json` is Hugging Face's.
    static func isCheckpoint(_ folder: URL) -> Bool {
        let file = folder.appendingPathComponent(Checkpoint.configurationName)
        guard let data = try? Data(contentsOf: file), let root = try? JSONDecoder().decode(JSONValue.self, from: data)
        else { return false }
        return root["model_type"] != nil
    }

    /// Reads a folder.
    ///
    /// - Parameter folder: With `config.json` and the weights.
    /// - Returns: The checkpoint, its weights still on disk.
    /// - Throws: ``CheckpointError`` or a safetensors error, naming the file.
    static func read(_ folder: URL) throws -> Checkpoint {
        let configuration = folder.appendingPathComponent(Checkpoint.configurationName)
        let weights = folder.appendingPathComponent(Checkpoint.weightsName)
        guard FileManager.default.fileExists(atPath: weights.path) else {
            throw CheckpointError.missing(path: folder.path)
        }
        guard let root = try? JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: configuration)) else {
            throw CheckpointError.damaged(path: configuration.path, reason: "it is not a JSON object")
        }
        let description = try description(root, folder: folder)
        let state = Dictionary(
            try TensorFile.read(weights).map { (name($0, description), $1) }, uniquingKeysWith: { first, _ in first })
        return try Checkpoint(url: folder, format: .huggingFace, description: description, state: state)
    }

    /// Writes a folder that `from_pretrained` loads.
    ///
    /// - Parameters:
    ///   - description: What the model is.
    ///   - state: The weights by fairseq's names.
    ///   - folder: An existing folder.
    /// - Returns: The settings that the format has no place for, a phrase each, its key first.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` and what writing files throws.
    static func write(_ description: ModelDescription, state: [String: Tensor], to folder: URL) throws -> [String] {
        throw CheckpointError.cannotHold(format: .huggingFace, what: "any model yet", advice: "convert to native")
    }

    /// The description of a folder's `config.json`.
    ///
    /// - Parameters:
    ///   - root: The configuration.
    ///   - folder: Where the preprocessor's configuration and the vocabulary lie.
    /// - Returns: The model's architecture, task, preprocessing and vocabulary.
    /// - Throws: ``CheckpointError`` naming what this architecture does not have.
    static func description(_ root: JSONValue, folder: URL) throws -> ModelDescription {
        let path = folder.appendingPathComponent(Checkpoint.configurationName).path
        func refuse(_ reason: String) -> CheckpointError { .damaged(path: path, reason: reason) }
        guard let type = root["model_type"]?.string, type == "wav2vec2" else {
            throw refuse(
                "its model_type is \(root["model_type"]?.string ?? "missing"), and only wav2vec2 is this architecture")
        }
        if root["add_adapter"]?.bool == true || root["adapter_attn_dim"]?.integer != nil {
            throw refuse("it has adapters, which this architecture has not")
        }
        guard let architecture = root["architectures"]?.array?.first?.string else {
            throw refuse("it names no architecture")
        }
        var model = ModelConfiguration()
        func sizes(_ key: String) throws -> [Int] {
            guard let list = root[key]?.array?.compactMap(\.integer), !list.isEmpty else {
                throw refuse("\(key) is not a list of whole numbers")
            }
            return list
        }
        func integer(_ key: String, _ fallback: Int) -> Int { root[key]?.integer ?? fallback }
        func double(_ key: String, _ fallback: Double) -> Double { root[key]?.double ?? fallback }
        let (channels, kernels, strides) = try (sizes("conv_dim"), sizes("conv_kernel"), sizes("conv_stride"))
        guard channels.count == kernels.count, channels.count == strides.count else {
            throw refuse("conv_dim, conv_kernel and conv_stride have different lengths")
        }
        model.convFeatureLayers = try ConvolutionLayers(
            channels.indices.map { .init(channels: channels[$0], kernel: kernels[$0], stride: strides[$0]) })
        model.extractorMode = root["feat_extract_norm"]?.string == "layer" ? .layerNorm : .groupNorm
        model.convBias = root["conv_bias"]?.bool ?? false
        model.encoderLayers = integer("num_hidden_layers", 12)
        model.encoderEmbedDim = integer("hidden_size", 768)
        model.encoderFfnEmbedDim = integer("intermediate_size", 3072)
        model.encoderAttentionHeads = integer("num_attention_heads", 12)
        model.layerNormFirst = root["do_stable_layer_norm"]?.bool ?? false
        model.convPos = integer("num_conv_pos_embeddings", 128)
        model.convPosGroups = integer("num_conv_pos_embedding_groups", 16)
        model.dropout = double("hidden_dropout", 0.1)
        model.attentionDropout = double("attention_dropout", 0.1)
        model.activationDropout = double("activation_dropout", 0.1)
        model.dropoutInput = double("feat_proj_dropout", 0)
        model.dropoutFeatures = double("feat_quantizer_dropout", 0)
        model.encoderLayerdrop = double("layerdrop", 0.1)
        model.finalDropout = double("final_dropout", 0.1)
        model.finalDim = integer("proj_codevector_dim", 256)
        model.latentDim = integer("codevector_dim", 256)
        model.latentVars = integer("num_codevectors_per_group", 320)
        model.latentGroups = integer("num_codevector_groups", 2)
        for key in ["hidden_act", "feat_extract_activation"] where (root[key]?.string ?? "gelu") != "gelu" {
            throw refuse("\(key) is \(root[key]?.string ?? ""), where gelu is expected")
        }
        var description = ModelDescription(
            task: architecture == "Wav2Vec2ForCTC" ? .ctc : .pretraining, model: model)
        description.masking.time = SpanMasking(
            probability: double("mask_time_prob", 0.05), length: integer("mask_time_length", 10))
        description.masking.channel = SpanMasking(
            probability: double("mask_feature_prob", 0), length: integer("mask_feature_length", 10))
        description.objective.numNegatives = integer("num_negatives", 100)
        description.objective.logitTemp = double("contrastive_logits_temperature", 0.1)
        // Hugging Face's objective has no penalty on the features' energy.
        description.objective.lossWeights = [double("diversity_loss_weight", 0.1), 0]
        let preprocessor = folder.appendingPathComponent("preprocessor_config.json")
        if let data = try? Data(contentsOf: preprocessor) {
            description.normalize =
                (try? JSONDecoder().decode(JSONValue.self, from: data))?["do_normalize"]?.bool ?? false
        }
        if description.task == .ctc { description.labels = try labels(folder) }
        return description
    }

    private static func labels(_ folder: URL) throws -> [String] {
        let url = folder.appendingPathComponent("vocab.json")
        guard let data = try? Data(contentsOf: url),
            let vocabulary = try? JSONDecoder().decode([String: Int].self, from: data)
        else {
            throw CheckpointError.damaged(
                path: url.path, reason: "a ctc model needs it as an object from symbol to index")
        }
        let symbols = vocabulary.sorted { $0.value < $1.value }
        guard symbols.map(\.value) == Array(symbols.indices) else {
            throw CheckpointError.damaged(path: url.path, reason: "its indices are not 0, 1, 2, …")
        }
        return symbols.map(\.key)
    }

    private static let renamed: [(theirs: String, ours: String)] = [
        ("masked_spec_embed", "mask_emb"),
        ("feature_projection.layer_norm.", "layer_norm."),
        ("feature_projection.projection.", "post_extract_proj."),
        ("encoder.pos_conv_embed.conv.parametrizations.weight.original0", "encoder.pos_conv.0.weight_g"),
        ("encoder.pos_conv_embed.conv.parametrizations.weight.original1", "encoder.pos_conv.0.weight_v"),
        ("encoder.pos_conv_embed.conv.", "encoder.pos_conv.0."),
        (".attention.", ".self_attn."),
        (".feed_forward.intermediate_dense.", ".fc1."),
        (".feed_forward.output_dense.", ".fc2."),
        ("quantizer.codevectors", "quantizer.vars"),
        ("project_hid.", "final_proj."),
    ]

    /// Our name of one of their parameters.
    static func name(_ theirs: String, _ description: ModelDescription) -> String {
        if theirs.hasPrefix("lm_head.") { return "w2v_encoder.proj." + theirs.dropFirst("lm_head.".count) }
        var name = theirs.hasPrefix("wav2vec2.") ? String(theirs.dropFirst("wav2vec2.".count)) : theirs
        if name.hasPrefix("feature_extractor.conv_layers.") {
            name.replace(".conv.", with: ".0.")
            name.replace(".layer_norm.", with: description.model.extractorMode == .groupNorm ? ".2." : ".2.1.")
        } else if name.hasPrefix("encoder.layers.") {
            // Their layer_norm is the one after attention; the encoder's own and the final one keep their names.
            name.replace(".layer_norm.", with: ".self_attn_layer_norm.")
        }
        for (old, new) in renamed { name.replace(old, with: new) }
        return description.task == .ctc ? "w2v_encoder.w2v_model." + name : name
    }
}
