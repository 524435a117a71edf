import Foundation
import W2VBackbone
import W2VInterchange
import W2VObjectives
import W2VTorch

extension ModelFamily {
    /// A family that another maker trained: blocks that normalize first, under names of their own.
    static let parrot = wav2vec2.variant(
        "Parrot", modelType: "parrot",
        architectures: [Architecture("ParrotForCTC", .ctc), Architecture("ParrotModel", .encoder)]
    ) { family in
        // What they call our parameters; `#` is a block's number.
        family.rename("encoder.layers.#.self_attn.", to: "blocks.#.mixer.")
        family.rename("encoder.layers.#.fc1.", to: "blocks.#.expand.")
        family.rename("encoder.layers.#.fc2.", to: "blocks.#.contract.")
        // Their key for the number of blocks.
        family.fields.append(.integer("depth", \.model.encoderLayers))
        // Their blocks always normalize first, and no key says so.
        let inherited = family.defaults
        family.defaults = { description in
            inherited(&description)
            description.model.layerNormFirst = true
        }
    }
}

/// Registers a model family and reads it from a Hugging Face folder.
@main struct CustomFamily {
    static func main() throws {
        ModelFamily.register(.parrot)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("parrot-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }

        let original = try writeTheirs(to: folder)
        let checkpoint = try Checkpoint.read(folder)
        guard try logits(checkpoint.ctcModel()) == logits(original), checkpoint.notCarriedOver.isEmpty else {
            throw ConfigurationError("the model that was read is not the one that was written")
        }
        print(
            "custom family: \(checkpoint.layout), \(checkpoint.state.count) tensors, the same logits as the original's")
    }

    /// Writes a small recognizer as its maker would publish it.
    private static func writeTheirs(to folder: URL) throws -> CTCModel {
        var description = ModelDescription(task: .ctc, model: ModelConfiguration())
        description.model.convFeatureLayers = try ConvolutionLayers(parsing: "[(16,10,5)]+[(16,3,2)]*4+[(16,2,2)]*2")
        description.model.encoderLayers = 2
        description.model.encoderEmbedDim = 32
        description.model.encoderFfnEmbedDim = 64
        description.model.encoderAttentionHeads = 4
        description.model.layerNormFirst = true
        description.labels = ["<s>", "<pad>", "</s>", "<unk>", "|", "E", "T", "A"]
        let model = try CTCModel(
            description.model, labels: description.labels.count, initializer: .random(seed: 1))
        try Checkpoint.write(description, state: model.state(), to: folder, format: .huggingFace)

        let weights = folder.appendingPathComponent(Checkpoint.weightsName)
        let renamed = try TensorFile.read(weights).map { name, tensor in
            let theirs = name.replacing("wav2vec2.", with: "parrot.")
                .replacing(/encoder\.layers\.(\d+)\.attention/) { "blocks.\($0.1).mixer" }
                .replacing(/encoder\.layers\.(\d+)\.feed_forward\.intermediate_dense/) { "blocks.\($0.1).expand" }
                .replacing(/encoder\.layers\.(\d+)\.feed_forward\.output_dense/) { "blocks.\($0.1).contract" }
            return (theirs, tensor)
        }
        try TensorFile.write(Dictionary(uniqueKeysWithValues: renamed), to: weights)

        let file = folder.appendingPathComponent(Checkpoint.configurationName)
        var settings = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
        settings["model_type"] = "parrot"
        settings["architectures"] = ["ParrotForCTC"]
        settings["depth"] = settings.removeValue(forKey: "num_hidden_layers")
        settings.removeValue(forKey: "do_stable_layer_norm")
        try JSONSerialization.data(withJSONObject: settings).write(to: file)
        return model
    }

    /// What a model makes of a second of two tones.
    private static func logits(_ model: CTCModel) throws -> [Float] {
        let samples = (0..<16_000).map { Float(sin(Double($0) * 0.05) + sin(Double($0) * 0.31)) }
        return try withoutGradient { try model(Tensor(samples), lengths: [samples.count]).logits.elements() }
    }
}
