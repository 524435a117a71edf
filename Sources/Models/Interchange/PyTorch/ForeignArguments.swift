import Foundation
import W2VBackbone
import W2VObjectives
import W2VTorch

/// The options that a `.pt` file was trained with, in terms of ours.
///
/// fairseq and NVIDIA share their words for most of them, and so do we.
struct ForeignArguments {
    /// The options by name.
    private let values: [String: PickleReference]
    /// Those that have been looked at: the others are not carried over.
    private(set) var used: Set<String> = []
    private let path: String

    /// Takes options from dictionaries or namespaces; of equal names the last counts.
    init(_ sections: [PickleReference?], path: String) {
        self.path = path
        var values: [String: PickleReference] = [:]
        for section in sections {
            for (key, value) in section?.members ?? [] { values[key] = value }
        }
        self.values = values
    }

    /// An option's value as a setting's text; nil where it is absent or None.
    mutating func text(_ name: String) -> String? {
        used.insert(name)
        return values[name]?.settingText
    }

    /// The names that nothing has asked for.
    var unused: [String] { values.keys.filter { !used.contains($0) && !$0.hasPrefix("_") }.sorted() }

    /// Settings that fairseq and NVIDIA have fixed in their code; a `.pt` file of ours has them in a member of its own,
    /// which their programs pass over.
    static let own: Set = [
        "mask_min_masks", "mask_channel_min_masks", "mask_channel_same_count", "mask_channel_dropout",
        "normalize_epsilon",
    ]
    /// That member's name.
    static let ownMember = "wav2vec2"
    /// The table of those settings.
    static let ownSettings: [Setting<ModelDescription>] =
        MaskingConfiguration.settings.map { $0.lifted("", \.masking) }.filter { own.contains($0.name) }
        + [Setting("normalize_epsilon", \.normalizeEpsilon, "added to the variance when normalizing")]
    /// The key in that member of how labels become text, as JSON.
    static let textKey = "text"

    /// Our settings that the formats have a word for, with that word; there a value of None means the default.
    static var table: [(theirs: String, setting: Setting<ModelDescription>)] {
        let renamed = [
            "hourglass": "hourglass_transformer", "mask_same_count": "require_same_masks",
        ]
        var all: [Setting<ModelDescription>] = ModelConfiguration.settings.map { $0.lifted("", \.model) }
        all += MaskingConfiguration.settings.map { $0.lifted("", \.masking) }
        all += ModelTask.registered.filter { $0.pyTorch != nil }.flatMap { $0.section?.settings ?? [] }
        let others = own.union(["combine_groups", "loss_weights"])
        return all.filter { !others.contains($0.name) }.map { (renamed[$0.name] ?? $0.name, $0) }
    }

    /// Takes over all options that we know.
    ///
    /// - Throws: ``CheckpointError`` naming the option whose value we cannot have.
    mutating func apply(to description: inout ModelDescription) throws {
        for (name, setting) in Self.table {
            guard let text = text(name) else { continue }
            do {
                try setting.set(text, in: &description)
            } catch {
                throw CheckpointError.damaged(path: path, reason: "its option \(name): \(error)")
            }
        }
        if let text = text("loss_weights") {
            guard var weights = try? [Double](settingText: text), 1...2 ~= weights.count else {
                throw CheckpointError.damaged(
                    path: path, reason: "its loss_weights are '\(text)', where one or two numbers are expected")
            }
            // One weight counts for both terms.
            if weights.count == 1 { weights.append(weights[0]) }
            description.objective.lossWeights = weights
        }
        if let normalize = text("normalize") { description.normalize = normalize == "true" }
    }

    /// Takes over the settings that only our files have.
    ///
    /// - Throws: ``ConfigurationError`` naming the setting.
    mutating func applyOwn(to description: inout ModelDescription) throws {
        for setting in Self.ownSettings {
            if let text = text(setting.name) { try setting.set(text, in: &description) }
        }
        guard let style = text(Self.textKey) else { return }
        do {
            description.text = try TextStyle(encoded: style)
        } catch {
            throw ConfigurationError("\(Self.textKey): \(error)")
        }
    }

    /// Refuses what this architecture has not.
    ///
    /// - Throws: ``CheckpointError`` naming the option.
    mutating func requireThisArchitecture() throws {
        let expected: [(name: String, values: Set<String>, what: String)] = [
            ("layer_type", ["transformer"], "layers of type"), ("pos_conv_depth", ["1"], "positional convolutions"),
            ("attn_type", [""], "attention of type"), ("pos_enc_type", ["abs", ""], "positions of type"),
            ("adp_num", ["-1", "0"], "adapters"), ("rotary_embeddings", ["false"], "rotary embeddings"),
            ("use_spectrogram_features", ["false"], "spectrogram features"),
            ("conv_pos_batch_norm", ["false"], "batch norm over positions"),
        ]
        for (name, values, what) in expected {
            guard let value = text(name), !values.contains(value) else { continue }
            throw CheckpointError.damaged(
                path: path, reason: "it has \(what) \(value) (option \(name)), which this architecture has not")
        }
    }
}

extension ModelDescription {
    /// A model with the values that fairseq and NVIDIA take where an old file has no option.
    ///
    /// - Returns: Their defaults, which are not the BASE recipe's.
    static func foreignDefaults(_ task: ModelTask, _ format: CheckpointFormat) -> ModelDescription {
        var description = ModelDescription(task: task, model: ModelConfiguration())
        description.model.dropoutInput = 0
        description.model.dropoutFeatures = 0
        description.model.finalDim = 0
        description.model.quantizeTargets = false
        description.model.featureGradMult = 1
        // Masks of time always have two spans at least.
        description.masking.time.minMasks = 2
        for head in ModelTask.registered.compactMap(\.pyTorch) { head.setDefaults(&description, format) }
        return description
    }
}

/// Names of parameters as other programs spell them, in fairseq's spelling.
enum ForeignNames {
    /// fairseq's name of a parameter.
    ///
    /// - Parameter name: As a `.pt` file has it.
    /// - Returns: Without the wrapper's prefix, weight norm and the masked extractor as fairseq writes them.
    static func canonical(_ name: String) -> String {
        var name = name.replacing("module.", with: "")
        for (theirs, ours) in [
            (".parametrizations.weight.original0", ".weight_g"), (".parametrizations.weight.original1", ".weight_v"),
        ] { name.replace(theirs, with: ours) }
        if name.contains("feature_extractor.conv_layers.") {
            for (theirs, ours) in [(".conv.", ".0."), (".norm._group_norm.", ".2."), (".norm.", ".2.")] {
                name.replace(theirs, with: ours)
            }
        }
        return name
    }

    /// A state with fairseq's names, and NVIDIA's fused queries, keys and values apart.
    ///
    /// - Parameter state: A `.pt` file's tensors by its names.
    /// - Returns: The same tensors, the fused ones as views.
    static func canonical(_ state: [String: Tensor]) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (name, tensor) in state {
            let name = canonical(name)
            guard let range = name.range(of: ".self_attn.qkv."), let rows = tensor.shape.first, rows % 3 == 0 else {
                result[name] = tensor
                continue
            }
            for (index, part) in ["q_proj", "k_proj", "v_proj"].enumerated() {
                result[name.replacingCharacters(in: range, with: ".self_attn.\(part).")] =
                    try tensor.narrowed(0, index * rows / 3..<(index + 1) * rows / 3)
            }
        }
        return result
    }
}
