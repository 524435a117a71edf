import Foundation
import Wav2Vec2

/// One key of Hugging Face's `config.json` and the property that it stands for.
struct HuggingFaceField: Sendable {
    /// The key.
    let key: String
    private let expected: String
    private let read: @Sendable (JSONValue, inout ModelDescription) -> Bool
    private let write: @Sendable (ModelDescription) -> JSONValue

    /// The value in a configuration.
    func value(_ description: ModelDescription) -> JSONValue { write(description) }

    /// Takes the value over; where the key is absent, Transformers' default.
    ///
    /// - Throws: ``ConfigurationError`` naming the key, its value and what is expected.
    func apply(_ root: JSONObject, to description: inout ModelDescription) throws {
        guard let value = root[key], value != .null else { return }
        guard read(value, &description) else {
            throw ConfigurationError("\(key) is \(value.excerpt), where \(expected) is expected")
        }
    }

    private static func integer(
        _ key: String, _ path: any WritableKeyPath<ModelDescription, Int> & Sendable
    ) -> HuggingFaceField {
        HuggingFaceField(key: key, expected: "a whole number that is not negative") { value, description in
            guard let number = value.integer, number >= 0 else { return false }
            description[keyPath: path] = number
            return true
        } write: {
            .integer($0[keyPath: path])
        }
    }

    private static func number(
        _ key: String, _ path: any WritableKeyPath<ModelDescription, Double> & Sendable
    ) -> HuggingFaceField {
        HuggingFaceField(key: key, expected: "a number") { value, description in
            guard let number = value.double else { return false }
            description[keyPath: path] = number
            return true
        } write: {
            .number($0[keyPath: path])
        }
    }

    private static func flag(
        _ key: String, _ path: any WritableKeyPath<ModelDescription, Bool> & Sendable
    ) -> HuggingFaceField {
        HuggingFaceField(key: key, expected: "true or false") { value, description in
            guard let flag = value.bool else { return false }
            description[keyPath: path] = flag
            return true
        } write: {
            .bool($0[keyPath: path])
        }
    }

    /// A choice by name; of several names for one value the first is written.
    private static func choice<Value: Equatable & Sendable>(
        _ key: String, _ path: any WritableKeyPath<ModelDescription, Value> & Sendable, _ names: [(String, Value)]
    ) -> HuggingFaceField {
        HuggingFaceField(key: key, expected: names.map(\.0).joined(separator: ", ")) { value, description in
            guard let found = names.first(where: { $0.0 == value.string }) else { return false }
            description[keyPath: path] = found.1
            return true
        } write: { description in
            .string(names.first { $0.1 == description[keyPath: path] }?.0 ?? "")
        }
    }

    /// One column of the three lists that describe the extractor's convolutions.
    private static func sizes(
        _ key: String, _ column: any WritableKeyPath<ConvolutionLayers.Layer, Int> & Sendable
    ) -> HuggingFaceField {
        HuggingFaceField(key: key, expected: "a list of sizes, as long as conv_dim,") { value, description in
            guard let items = value.array else { return false }
            let sizes = items.compactMap(\.integer)
            guard !sizes.isEmpty, sizes.count == items.count else { return false }
            // The first list decides how many layers there are.
            let old = description.model.convFeatureLayers.layers
            guard key == "conv_dim" || old.count == sizes.count else { return false }
            let layers = sizes.enumerated().map { index, size in
                var layer = index < old.count ? old[index] : ConvolutionLayers.Layer(channels: 1, kernel: 1, stride: 1)
                layer[keyPath: column] = size
                return layer
            }
            guard let made = try? ConvolutionLayers(layers) else { return false }
            description.model.convFeatureLayers = made
            return true
        } write: {
            .array($0.model.convFeatureLayers.layers.map { .integer($0[keyPath: column]) })
        }
    }

    /// Every key that stands for something here.
    static let all: [HuggingFaceField] = [
        sizes("conv_dim", \.channels), sizes("conv_kernel", \.kernel), sizes("conv_stride", \.stride),
        flag("conv_bias", \.model.convBias),
        choice("feat_extract_norm", \.model.extractorMode, [("group", .groupNorm), ("layer", .layerNorm)]),
        integer("num_hidden_layers", \.model.encoderLayers),
        integer("hidden_size", \.model.encoderEmbedDim),
        integer("intermediate_size", \.model.encoderFfnEmbedDim),
        integer("num_attention_heads", \.model.encoderAttentionHeads),
        choice(
            "hidden_act", \.model.activationFn,
            [
                ("gelu", .gelu), ("relu", .relu), ("tanh", .tanh), ("silu", .swish), ("swish", .swish),
                ("linear", .linear),
            ]),
        flag("do_stable_layer_norm", \.model.layerNormFirst),
        integer("num_conv_pos_embeddings", \.model.convPos),
        integer("num_conv_pos_embedding_groups", \.model.convPosGroups),
        number("hidden_dropout", \.model.dropout),
        number("attention_dropout", \.model.attentionDropout),
        number("activation_dropout", \.model.activationDropout),
        number("feat_proj_dropout", \.model.dropoutInput),
        number("feat_quantizer_dropout", \.model.dropoutFeatures),
        number("layerdrop", \.model.encoderLayerdrop),
        number("final_dropout", \.model.finalDropout),
        integer("proj_codevector_dim", \.model.finalDim),
        integer("codevector_dim", \.model.latentDim),
        integer("num_codevectors_per_group", \.model.latentVars),
        integer("num_codevector_groups", \.model.latentGroups),
        number("mask_time_prob", \.masking.time.probability),
        integer("mask_time_length", \.masking.time.length),
        integer("mask_time_min_masks", \.masking.time.minMasks),
        number("mask_feature_prob", \.masking.channel.probability),
        integer("mask_feature_length", \.masking.channel.length),
        integer("mask_feature_min_masks", \.masking.channel.minMasks),
        integer("num_negatives", \.objective.numNegatives),
        number("contrastive_logits_temperature", \.objective.logitTemp),
        number("diversity_loss_weight", \.objective.lossWeights[0]),
        flag("ctc_zero_infinity", \.ctc.zeroInfinity),
    ]

    /// What Transformers takes where a key is absent.
    static func setDefaults(_ description: inout ModelDescription) {
        description.model.activationDropout = 0.1
        description.model.dropoutInput = 0
        description.model.dropoutFeatures = 0
        description.model.encoderLayerdrop = 0.1
        description.model.finalDropout = 0.1
        description.model.latentDim = 256
        description.masking.time = SpanMasking(probability: 0.05, length: 10)
        description.masking.time.minMasks = 2
        // Their objective has no penalty on the features' energy.
        description.objective.lossWeights = [0.1, 0]
        description.ctc.zeroInfinity = false
    }
}
