import Foundation
import W2VBackbone
import W2VBase
import W2VInterchange
import W2VObjectives
import W2VTorch

extension ModelConfiguration {
    /// A model that computes very fast: the paper's seven convolutions and few blocks, all narrow.
    ///
    /// `channels` are the extractor's, `width` is the encoder's and `inner` the feed-forward layers'; `positions` are of
    /// the positional convolution.
    public static func small(
        channels: Int = 16, width: Int = 32, inner: Int = 48, heads: Int = 4, layers: Int = 2,
        positions: (kernel: Int, groups: Int) = (16, 4), _ change: (inout ModelConfiguration) throws -> Void = { _ in }
    ) throws -> ModelConfiguration {
        var configuration = ModelConfiguration()
        configuration.convFeatureLayers = try ConvolutionLayers(
            parsing: "[(\(channels),10,5)]+[(\(channels),3,2)]*4+[(\(channels),2,2)]*2")
        (configuration.encoderEmbedDim, configuration.encoderFfnEmbedDim) = (width, inner)
        (configuration.encoderAttentionHeads, configuration.encoderLayers) = (heads, layers)
        (configuration.convPos, configuration.convPosGroups) = positions
        (configuration.finalDim, configuration.latentVars) = (16, 8)
        try change(&configuration)
        return configuration
    }

    /// An even smaller one, for tests with many passes.
    public static func tiny(
        layers: Int = 2, _ change: (inout ModelConfiguration) throws -> Void = { _ in }
    ) throws -> ModelConfiguration {
        try small(channels: 12, width: 16, inner: 24, heads: 2, layers: layers, positions: (8, 4)) {
            ($0.finalDim, $0.latentVars) = (8, 6)
            try change(&$0)
        }
    }

    /// Sets layer norm in the extractor and before blocks, and biases, as in LARGE.
    public mutating func becomeLarge() {
        extractorMode = .layerNorm
        layerNormFirst = true
        convBias = true
    }
}

/// Small models with random weights, in memory and in files.
public enum SmallModels {
    /// An architecture of three blocks.
    public static func configuration(
        hourglass: String? = nil, mode: ModelConfiguration.ExtractorMode = .groupNorm
    ) throws -> ModelConfiguration {
        try .small(inner: 64, layers: 3) {
            $0.extractorMode = mode
            $0.hourglass = try hourglass.map { try HourglassLayout(parsing: $0) }
        }
    }

    /// The architecture of a recipe that trains very fast, as its section `model`.
    public static let recipe: [(key: String, value: String)] = [
        ("conv_feature_layers", "\"[(16,10,5)]+[(16,3,2)]*4+[(16,2,2)]*2\""), ("encoder_layers", "2"),
        ("encoder_embed_dim", "32"), ("encoder_ffn_embed_dim", "48"), ("encoder_attention_heads", "2"),
        ("final_dim", "16"), ("latent_vars", "8"), ("conv_pos", "16"), ("conv_pos_groups", "4"),
    ]

    /// ``recipe`` as assignments to a recipe's keys.
    public static var assignments: [String] {
        recipe.map { "model.\($0.key)=\($0.value.filter { $0 != "\"" })" }
    }

    /// Writes a pre-trained model and returns its folder.
    public static func checkpoint(
        in folder: URL, named name: String = "model", _ configuration: ModelConfiguration? = nil, seed: Int64 = 3,
        normalizes: Bool = true
    ) throws -> URL {
        let configuration = try configuration ?? Self.configuration()
        var description = ModelDescription(task: .pretraining, model: configuration)
        description.normalize = normalizes
        return try write(
            description, state: PretrainingModel(configuration, initializer: .random(seed: seed)).state(),
            to: folder.appendingPathComponent(name))
    }

    /// The labels of ``ctcModel(mode:)``.
    public static let symbols = ["<s>", "<pad>", "</s>", "<unk>", "|", "E", "T", "A"]

    /// Makes a model that outputs letters.
    public static func ctcModel(mode: ModelConfiguration.ExtractorMode = .groupNorm) throws -> CTCModel {
        let model = try CTCModel(configuration(mode: mode), labels: symbols.count, initializer: .random(seed: 3))
        // Random heads hardly differ between labels: larger weights make several labels win.
        for parameter in model.parameters() where parameter.name == "w2v_encoder.proj.weight" {
            try parameter.tensor.scaleInPlace(8)
        }
        return model
    }

    /// Writes ``ctcModel(mode:)`` and returns its folder.
    public static func ctcCheckpoint(in folder: URL) throws -> URL {
        var description = ModelDescription(task: .ctc, model: try configuration())
        description.labels = symbols
        description.normalize = true
        return try write(description, state: ctcModel().state(), to: folder.appendingPathComponent("tuned"))
    }

    private static func write(
        _ description: ModelDescription, state: [String: Tensor], to folder: URL
    ) throws -> URL {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Checkpoint.write(description, state: state, to: folder)
        return folder
    }
}
