import Foundation
import W2VBackbone
import W2VObjectives
import W2VTorch

/// The options that a `.pt` file was trained with, in terms of our settings.
///
/// fairseq and NVIDIA use the same words for most of them, and so do we.
struct ForeignArguments {
    /// The options by name.
    private let values: [String: PickleReference]
    /// The options that have been read; all others are listed as ignored.
    private(set) var used: Set<String> = []
    private let path: String

    /// Collects options from dictionaries or namespaces; of equal names the last counts.
    init(_ sections: [PickleReference?], path: String) {
        self.path = path
        var values: [String: PickleReference] = [:]
        for section in sections {
            for (key, value) in section?.members ?? [] { values[key] = value }
        }
        self.values = values
    }

    /// Returns an option's value as a setting's text; nil if it is absent or None.
    mutating func text(_ name: String) -> String? {
        used.insert(name)
        return values[name]?.settingText
    }

    /// The options that have not been read.
    var unused: [String] { values.keys.filter { !used.contains($0) && !$0.hasPrefix("_") }.sorted() }

    /// Settings that fairseq and NVIDIA fix in their code; our `.pt` files store them in a separate member, which their
    /// programs ignore.
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
    /// The key in that member of the conversion of labels to text, as JSON.
    static let textKey = "text"

    /// Our settings that the formats have an option for, with its name; there a value of None means the default.
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

    /// Applies all known options.
    ///
    /// - Throws: ``CheckpointError`` naming an option whose value is not supported.
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
            // A single weight applies to both terms.
            if weights.count == 1 { weights.append(weights[0]) }
            description.objective.lossWeights = weights
        }
        if let normalize = text("normalize") { description.normalize = normalize == "true" }
    }

    /// Applies the settings that only our files have.
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

    /// Throws for options that this architecture does not support.
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
    /// Returns a model with fairseq's and NVIDIA's defaults for options that an old file lacks.
    ///
    /// These are not the BASE recipe's values.
    static func foreignDefaults(_ task: ModelTask, _ format: CheckpointFormat) -> ModelDescription {
        var description = ModelDescription(task: task, model: ModelConfiguration())
        description.model.dropoutInput = 0
        description.model.dropoutFeatures = 0
        description.model.finalDim = 0
        description.model.quantizeTargets = false
        description.model.featureGradMult = 1
        // Masks over time always have at least two spans.
        description.masking.time.minMasks = 2
        for head in ModelTask.registered.compactMap(\.pyTorch) { head.setDefaults(&description, format) }
        return description
    }
}

/// Conversion of parameter names from other programs' spelling to fairseq's.
enum ForeignNames {
    /// Returns fairseq's name of a parameter.
    ///
    /// - Parameter name: The name in a `.pt` file.
    /// - Returns: The name without the wrapper's prefix; weight norm and the masked extractor are spelled as in
    ///   fairseq.
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

    /// Returns a state with fairseq's names, with NVIDIA's fused queries, keys and values separated.
    ///
    /// - Parameter state: A `.pt` file's tensors by its names.
    /// - Returns: The same tensors, with views in place of fused ones.
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
