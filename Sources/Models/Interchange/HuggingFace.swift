import Foundation
import W2VBackbone
import W2VBase
import W2VTorch

/// Hugging Face's folders, as read and written by Transformers' `from_pretrained` and `save_pretrained`.
enum HuggingFace {
    /// Returns whether a folder's `config.json` is Hugging Face's.
    static func isCheckpoint(_ folder: URL) -> Bool {
        guard let root = try? HuggingFaceFolder(url: folder).object(Checkpoint.configurationName) else { return false }
        return root["model_type"] != nil || (root["architectures"] != nil && root["format"] == nil)
    }

    // MARK: Reading

    /// Reads a folder.
    ///
    /// - Parameter url: A folder with `config.json` and the weights.
    /// - Returns: The checkpoint, with its weights still on disk.
    /// - Throws: ``CheckpointError`` or a safetensors error, naming the file.
    static func read(_ url: URL) throws -> Checkpoint {
        let folder = HuggingFaceFolder(url: url)
        guard let root = try folder.object(Checkpoint.configurationName) else {
            throw CheckpointError.missing(path: url.path)
        }
        let (tensors, unread) = try folder.weights()
        var findings: [CheckpointNote] = []
        let reading: HuggingFaceConfiguration.Reading
        do {
            reading = try HuggingFaceConfiguration.read(root, names: tensors.keys)
        } catch let error as ConfigurationError {
            throw CheckpointError.damaged(
                path: folder.path(Checkpoint.configurationName), reason: error.description)
        }
        findings += reading.unused.map { CheckpointNote("\($0.printable) of config.json", .conversion) }
        var description = reading.description
        func table() -> FamilyNames {
            FamilyNames(reading.family, task: description.task, extractorMode: description.model.extractorMode)
        }
        if let note = description.task.huggingFace.noteWithoutHead, table().lacksHead(tensors.keys) {
            let type = reading.family.architecture(of: description.task)?.name ?? reading.family.name
            findings.append(CheckpointNote("\(type): \(note)"))
            description.task = .encoder
        }
        let names = table()
        var state: [String: Tensor] = [:]
        var unknown: [String] = []
        for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            if let earlier = names.earlierName(name), tensors[earlier] != nil {
                // Loading and saving an early file has added a random tensor under the later name.
                findings.append(
                    CheckpointNote(
                        "\(name): not read, as the embedding that was trained is there under its earlier name \(earlier)"
                    ))
                continue
            }
            guard let own = names.ours(name) else {
                unknown.append(name)
                continue
            }
            if state.updateValue(tensor, forKey: own) != nil {
                throw CheckpointError.damaged(path: url.path, reason: "\(name.printable) is there under two names")
            }
        }
        findings += try notes(ofUnknown: unknown, names, url)
        try setNormalization(&description, folder, &findings)
        findings += try complete(&state, description, url)
        if description.task.huggingFace.hasTokenizer {
            findings += try arrangeLabels(&state, &description, names, folder, root)
        }
        findings += unread
        return try Checkpoint(
            url: url, format: .huggingFace,
            layout: reading.family.name == ModelFamily.wav2vec2.name ? "" : reading.family.name,
            description: description, state: state, findings: findings)
    }

    /// Rejects tensors of the model that have no place in it, and notes those of other heads, which are ignored.
    private static func notes(
        ofUnknown unknown: [String], _ names: FamilyNames, _ url: URL
    ) throws -> [CheckpointNote] {
        if let part = unknown.first(where: names.isPartOfModel) {
            let others = unknown.count { names.isPartOfModel($0) } - 1
            throw CheckpointError.damaged(
                path: url.path,
                reason: "its tensor \(part.printable)\(others > 0 ? " and \(others) more " : " ")"
                    + (names.foreignPart(part).map {
                        "\(others > 0 ? "belong" : "belongs") to \($0), which this architecture has not"
                    } ?? "\(others > 0 ? "have" : "has") no place in this architecture")
                    + ": without \(others > 0 ? "them" : "it") the model would compute something else")
        }
        guard let first = unknown.first else { return [] }
        let shown = unknown.prefix(5).map(\.printable).joined(separator: ", ")
        let what =
            unknown.count == 1
            ? "\(first.printable): a tensor that this architecture has not"
            : shown + (unknown.count > 5 ? " and \(unknown.count - 5) more" : "")
                + ": tensors that this architecture has not"
        return [CheckpointNote(what)]
    }

    /// Sets whether and how recordings are normalized, from the preprocessor's configuration.
    private static func setNormalization(
        _ description: inout ModelDescription, _ folder: HuggingFaceFolder, _ findings: inout [CheckpointNote]
    ) throws {
        let (own, joint) = ("preprocessor_config.json", "processor_config.json")
        // As in Transformers, a feature extractor inside the processor's configuration takes precedence over a separate
        // one.
        let (inner, outer) = try (folder.object(joint)?["feature_extractor"]?.object, folder.object(own))
        let name = inner == nil ? own : joint
        if let inner, let outer, inner["do_normalize"] != outer["do_normalize"] {
            findings.append(
                CheckpointNote(
                    "\(own): its do_normalize is not that of \(joint), which counts, as in Transformers"))
        }
        guard let found = inner ?? outer else {
            findings.append(
                CheckpointNote(
                    "\(own): the folder has none, so input is normalized, which is Transformers' default"))
            description.normalize = true
            return
        }
        for (key, wanted) in [("sampling_rate", 16_000), ("feature_size", 1)] {
            guard let value = found[key], value != .null, value.double != Double(wanted) else { continue }
            throw CheckpointError.damaged(
                path: folder.path(name), reason: "\(key) is \(value.excerpt), where \(wanted) is expected")
        }
        description.normalize = try HuggingFaceFolder.flag(
            found, "do_normalize", default: true, path: folder.path(name))
    }

    private static func sharedName(_ name: String, _ description: ModelDescription) -> String {
        description.task.backbonePrefix + name
    }

    /// Adds what only one of the two programs has: the mask embedding, and a projection between equal sizes.
    private static func complete(
        _ state: inout [String: Tensor], _ description: ModelDescription, _ url: URL
    ) throws -> [CheckpointNote] {
        let model = description.model
        let mask = sharedName("mask_emb", description)
        let norm = state[sharedName("encoder.layer_norm.weight", description)]
        guard norm?.shape == [model.encoderEmbedDim] else {
            throw CheckpointError.damaged(
                path: url.path,
                reason: "hidden_size of config.json is \(model.encoderEmbedDim), but encoder.layer_norm.weight is "
                    + (norm.map { "of shape \($0.shape)" } ?? "missing"))
        }
        var notes: [CheckpointNote] = []
        if state[mask] == nil {
            // Transformers draws it randomly too; only training with masks uses it.
            state[mask] = try Initializer.random(seed: 1).uniform([model.encoderEmbedDim], 0, 1)
            notes.append(
                CheckpointNote(
                    "masked_spec_embed: the folder has none, so the embedding of masked frames starts at random"))
        }
        if model.extractorChannels == model.encoderEmbedDim {
            let (weight, bias) = ("post_extract_proj.weight", "post_extract_proj.bias")
            if let found = state.removeValue(forKey: sharedName(weight, description)),
                let offset = state.removeValue(forKey: sharedName(bias, description)),
                try !isIdentity(found, offset)
            {
                throw CheckpointError.damaged(
                    path: url.path,
                    reason: "it projects features of \(model.encoderEmbedDim) channels to as many, which this "
                        + "architecture does not: hidden_size must differ from the last of conv_dim")
            }
        }
        return notes
    }

    private static func identity(_ size: Int) throws -> Tensor {
        let range = try Tensor.range(0..<size)
        return try range.unsqueezed(1).equals(range).to(dtype: .float32)
    }

    private static func isIdentity(_ weight: Tensor, _ bias: Tensor) throws -> Bool {
        guard weight.shape.count == 2, weight.size(0) == weight.size(1) else { return false }
        let distance = try (weight.to(dtype: .float32) - identity(weight.size(0))).magnitude().sum().item()
        return try distance == 0 && bias.to(dtype: .float32).magnitude().sum().item() == 0
    }

    /// Applies the vocabulary; the output layer's rows follow its order.
    private static func arrangeLabels(
        _ state: inout [String: Tensor], _ description: inout ModelDescription, _ names: FamilyNames,
        _ folder: HuggingFaceFolder, _ root: JSONObject
    ) throws -> [CheckpointNote] {
        let (layer, rows) = (description.task.outputTensors, description.task.labelCount(state))
        guard layer.allSatisfy({ state[$0]?.shape.first == rows }) else {
            let theirs = layer.compactMap { names.theirs($0) }.joined(separator: " and ")
            throw CheckpointError.damaged(
                path: folder.url.path, reason: "a \(description.task.name) model needs \(theirs) of as many rows")
        }
        guard
            let vocabulary = try HuggingFaceVocabulary.read(
                folder, rows: rows, padding: root["pad_token_id"]?.integer,
                tokenizerClass: root["tokenizer_class"]?.string)
        else { return [CheckpointNote("vocab.json: the folder has none, so the labels have no symbols")] }
        description.labels = vocabulary.symbols
        description.text = vocabulary.style
        if vocabulary.rows != Array(0..<rows) {
            let order = try Tensor(vocabulary.rows)
            for name in layer { state[name] = try state[name]?.taking(order) }
        }
        return vocabulary.notes
    }

    // MARK: Writing

    /// Writes a folder that `from_pretrained` loads.
    ///
    /// - Parameter url: An existing folder.
    /// - Returns: The settings that the format cannot store, one phrase each, starting with the key.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` and any error of writing files.
    static func write(_ description: ModelDescription, state: [String: Tensor], to url: URL) throws -> [String] {
        let family = ModelFamily.wav2vec2
        var files: [String: JSONValue] = [:]
        var tokens: (padding: Int, beginning: Int?, end: Int?) = (0, 1, 2)
        let model = description.model
        let (task, labels) = (description.task, description.task.labelCount(state))
        var left: [String] = []
        if task.huggingFace.hasTokenizer {
            guard !description.labels.isEmpty else {
                throw CheckpointError.noDictionary(path: url.path, labels: labels)
            }
            let tokenizer = try HuggingFaceTokenizerFiles(description.labels, style: description.text)
            (files, tokens, left) = (tokenizer.contents, tokenizer.tokens, tokenizer.left)
        }
        let (configuration, others) = try HuggingFaceConfiguration.write(
            description, family, dtype: typeName(state), labels: task.hasLabels ? labels : nil, tokens: tokens)
        files[Checkpoint.configurationName] = configuration
        var preprocessor: JSONObject = [
            "feature_extractor_type": .string("Wav2Vec2FeatureExtractor"), "feature_size": .integer(1),
            "sampling_rate": .integer(16_000), "padding_side": .string("right"), "padding_value": .number(0),
            "do_normalize": .bool(description.normalize),
            // According to Transformers' documentation: models with group norm were trained on padding without a mask.
            "return_attention_mask": .bool(model.extractorMode == .layerNorm),
        ]
        if task.huggingFace.hasTokenizer { preprocessor["processor_class"] = .string("Wav2Vec2Processor") }
        files["preprocessor_config.json"] = .object(preprocessor)

        let names = FamilyNames(family, task: task, extractorMode: model.extractorMode)
        var tensors: [String: Tensor] = [:]
        for (name, tensor) in state {
            guard let theirs = names.theirs(name) else {
                throw CheckpointError.cannotHold(
                    format: .huggingFace, what: "the tensor \(name)", advice: "keep the model in the native format")
            }
            tensors[theirs] = tensor
        }
        if model.extractorChannels == model.encoderEmbedDim {
            // Their models always have a projection; where ours has none, it is the identity.
            for (part, tensor) in [
                ("weight", try identity(model.encoderEmbedDim)), ("bias", try .zeros([model.encoderEmbedDim])),
            ] {
                let name = "post_extract_proj.\(part)"
                if let theirs = names.theirs(sharedName(name, description)) { tensors[theirs] = tensor }
            }
        }
        try TensorFile.write(
            tensors, metadata: ["format": "pt"], to: url.appendingPathComponent(Checkpoint.weightsName))
        for (name, value) in files.sorted(by: { $0.key < $1.key }) {
            try AtomicFile.write(to: url.appendingPathComponent(name)) { try $0.append(Data((value.text + "\n").utf8)) }
        }
        return left + others
    }

    /// Returns Transformers' name of the type that most of the weights have.
    private static func typeName(_ state: [String: Tensor]) -> String {
        let counts = Dictionary(state.values.map { ($0.dtype, $0.count) }, uniquingKeysWith: +)
        switch counts.max(by: { $0.value < $1.value })?.key {
        case .float16: return "float16"
        case .bfloat16: return "bfloat16"
        case .float64: return "float64"
        default: return "float32"
        }
    }
}
