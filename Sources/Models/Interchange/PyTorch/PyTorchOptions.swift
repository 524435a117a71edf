import W2VBackbone
import W2VBase
import W2VObjectives

/// Our settings as options of fairseq and NVIDIA.
struct PyTorchOptions {
    /// The task's part of the files.
    let head: PyTorchHead
    /// The description, whose settings are options, or have no equivalent.
    private let description: ModelDescription
    /// The content that a file cannot store, one phrase each.
    private(set) var left: [String] = []

    /// Makes options of a description, as both formats can express it.
    ///
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` for a model that they cannot represent.
    init(_ description: ModelDescription, format: CheckpointFormat) throws {
        self.description = description
        guard let head = description.task.pyTorch else {
            throw CheckpointError.cannotHold(
                format: format, what: description.task.phrase,
                advice: description.task.hasHead
                    ? "convert to huggingface or native" : "convert to huggingface or native, or fine-tune it first"
            )
        }
        if let (what, advice) = head.refusal(description.model, format) {
            throw CheckpointError.cannotHold(format: format, what: what, advice: advice)
        }
        self.head = head
        let (time, channel) = (description.masking.time, description.masking.channel)
        // Our default of none does not mean fewer than theirs.
        if ![0, 2].contains(time.minMasks) { left.append("mask_min_masks \(time.minMasks): theirs is always 2") }
        if time.count != .spans { left.append("masking count \(time.count.rawValue): theirs is always spans") }
        if time.countMultiple != 1 { left.append("mask_count_multiple \(time.countMultiple): theirs is always 1") }
        if channel.minMasks != 0 { left.append("mask_channel_min_masks \(channel.minMasks): theirs is always 0") }
        if !channel.requireSameMasks { left.append("mask_channel_same_count false: theirs is always true") }
        if channel.maskDropout != 0 { left.append("mask_channel_dropout \(channel.maskDropout): theirs is always 0") }
        if description.normalize, description.normalizeEpsilon != 1e-5 {
            left.append("normalize_epsilon \(description.normalizeEpsilon.settingText): theirs is always 1e-05")
        }
        if description.task.hasLabels, description.text != TextStyle() {
            left.append("text \(description.text.json.excerpt): theirs writes symbols as they are, and spaces for |")
        }
        if description.objective.lossWeights.count > 2 {
            left.append("loss_weights \(description.objective.lossWeights): theirs are two")
        }
    }

    /// Adds content that a file cannot store.
    mutating func note(_ phrase: String) { left.append(phrase) }

    /// Returns the options of a configuration's section, with their names and types, in the order of their table.
    func options(_ names: Set<String>) -> [(key: String, value: PickledValue)] {
        ForeignArguments.table.filter { names.contains($0.setting.name) }.map { theirs, setting in
            (theirs, value(setting))
        }
    }

    /// The settings that their programs fix, where ours differ.
    var own: PickledValue {
        let theirs = ModelDescription.foreignDefaults(description.task, .fairseq)
        let settings = ForeignArguments.ownSettings.filter { $0.text(description) != $0.text(theirs) }
        let style = description.text == theirs.text ? [] : [description.text.encoded]
        return .dictionary(
            settings.map { ($0.name, value($0)) } + style.map { (ForeignArguments.textKey, .string($0)) })
    }

    private func value(_ setting: Setting<ModelDescription>) -> PickledValue {
        let text = setting.text(description)
        // The settings' own types determine what a text means: numbers stay numbers, expressions stay texts.
        if text == "off" { return .none }
        switch setting.type {
        case Bool.settingType: return .bool(text == "true")
        case Int.settingType: return .integer(Int(text) ?? 0)
        case Double.settingType: return .number(Double(text) ?? 0)
        case [Double].settingType: return .list(((try? [Double](settingText: text)) ?? []).map(PickledValue.number))
        default: return .string(text)
        }
    }

    /// Returns the names of a group of settings.
    static func names<Root>(_ settings: [Setting<Root>]) -> Set<String> { Set(settings.map(\.name)) }

    /// The names of the architecture's options and dropouts, without the Hourglass.
    static let model = names(ModelConfiguration.settings).subtracting([
        "hourglass", "hourglass_resample", "final_dropout",
    ])
    /// The names of the mask options.
    static let masking = names(MaskingConfiguration.settings)
    /// The names of the options of negatives, which are among the model's.
    static let negatives = names(ContrastiveConfiguration.settings).subtracting(["infonce", "loss_weights"])

    /// The two weights of the pre-training criterion.
    var lossWeights: PickledValue { .list(description.objective.lossWeights.prefix(2).map(PickledValue.number)) }

    /// Returns the dictionary's symbols after the four specials, from label 4 on.
    ///
    /// Hugging Face calls the blank, which is label 0 everywhere, `<pad>`, and fairseq `<s>`: these two names are
    /// exchanged.
    ///
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` for a dictionary that does not start with the
    ///   specials.
    mutating func symbols(format: CheckpointFormat) throws -> [String] {
        let specials = ["<s>", "<pad>", "</s>", "<unk>"]
        let first = Array(description.labels.prefix(4))
        if first == ["<pad>", "<s>", "</s>", "<unk>"] {
            left.append("labels: the blank is called <s> instead of <pad>, and the padding <pad> instead of <s>")
        } else if first != specials {
            throw CheckpointError.cannotHold(
                format: format, what: "a dictionary that begins with \(first.joined(separator: " "))",
                advice: "its first four symbols are always \(specials.joined(separator: " ")); \(.otherDictionary)")
        }
        let symbols = Array(description.labels.dropFirst(4))
        if let odd = symbols.first(where: { $0.isEmpty || $0.contains(where: \.isWhitespace) }) {
            throw CheckpointError.cannotHold(
                format: format, what: "the symbol \(odd.debugDescription)", advice: "symbols cannot contain spaces")
        }
        return symbols
    }
}
