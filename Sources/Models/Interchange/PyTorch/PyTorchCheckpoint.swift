import Foundation
import W2VBackbone
import W2VBase
import W2VTorch

/// fairseq's and NVIDIA's checkpoints: `.pt` files with the options beside the weights.
///
/// fairseq's old files have an `args` namespace, its newer ones a `cfg` of sections, plain or omegaconf's; NVIDIA's have
/// `args` as a dictionary. Fine-tuned models keep the pre-trained one's options in `w2v_args` (fairseq), or among their
/// own (NVIDIA).
enum PyTorchCheckpoint {
    /// Reads a file.
    ///
    /// - Parameter architecture: Another checkpoint's description, for a file that lacks its own.
    /// - Returns: The checkpoint, with its weights still on disk.
    /// - Throws: ``CheckpointError`` naming the file and the problem.
    static func read(_ url: URL, architecture: ModelDescription?) throws -> Checkpoint {
        try LargeFilePointer.refuse(url)
        let file = try PyTorchFile(url)
        let root = file.root
        guard root.members != nil else {
            throw CheckpointError.damaged(path: url.path, reason: "it holds no dictionary, as checkpoints do")
        }
        let weights = root["model"] ?? root
        let stored = try ForeignNames.canonical(file.tensors(weights, "model"))
        guard !stored.isEmpty else {
            throw CheckpointError.damaged(path: url.path, reason: "it holds no weights: it has no \"model\"")
        }
        let task = ModelTask.registered.last { $0.pyTorch.map { stored[$0.marker] != nil } ?? false } ?? .encoder
        var options = try Options(root, task: task, path: url.path)
        var description = try options.description(task, architecture: architecture)
        do {
            var own = ForeignArguments([root[ForeignArguments.ownMember]], path: url.path)
            try own.applyOwn(to: &description)
        } catch let error as ConfigurationError {
            throw CheckpointError.damaged(path: url.path, reason: "its setting \(error)")
        }
        var unused = options.notCarriedOver
        let state = try keep(stored, description, &unused)
        if task.hasLabels { description.labels = try labels(root, path: url.path) }
        unused += leftovers(root, weightsAreRoot: root["model"] == nil)
        return try Checkpoint(
            url: url, format: options.format, layout: "\(file.container.rawValue) container, \(options.layout)",
            description: description, state: state,
            findings: unused.map { CheckpointNote($0, .conversion) }, update: update(root))
    }

    /// Selects the weights of the model, and notes those of the other task's parts, which are ignored.
    private static func keep(
        _ stored: [String: Tensor], _ description: ModelDescription, _ unused: inout [String]
    ) throws -> [String: Tensor] {
        let task = description.task
        if let alias = task.pyTorch?.secondName(description.model) {
            let kept = stored.filter { name, _ in !name.hasPrefix(alias.second) }
            if kept.count < stored.count {
                unused.append("model.\(alias.second.dropLast()): \(alias.part) under a second name")
            }
            return kept
        }
        guard task.isFinetuned else { return stored }
        let heads = try ModelTask.registered.flatMap { try $0.pyTorch?.prefixes() ?? [] }.map {
            task.backbonePrefix + $0
        }
        let kept = stored.filter { name, _ in !heads.contains(where: name.hasPrefix) }
        if kept.count < stored.count {
            unused.append(
                "model: \(stored.count - kept.count) tensors of the pre-training objective, which \(task.purpose) does "
                    + "not use")
        }
        return kept
    }

    /// Returns the dictionary's symbols, from fairseq's task state or NVIDIA's output labels; none if there is neither.
    private static func labels(_ root: PickleReference, path: String) throws -> [String] {
        if let symbols = root["task_state"]?["target_dictionary"]?["symbols"]?.items {
            return symbols.compactMap(\.string)
        }
        guard let text = root["output_labels"]?.string else { return [] }
        var labels = ["<s>", "<pad>", "</s>", "<unk>"]
        // By bytes: a symbol that is a combining mark must not merge with the space before it.
        for line in text.utf8.split(separator: 0x0A) {
            let fields = line.split(separator: 0x20).map { String(Substring($0)) }
            guard fields.count >= 2, Int(fields[1]) != nil else {
                throw CheckpointError.damaged(
                    path: path,
                    reason:
                        "its output_labels have the line '\(Substring(line).prefix(80).printable)' where a symbol and "
                        + "its count belong")
            }
            labels.append(fields[0])
        }
        return labels
    }

    private static func update(_ root: PickleReference) -> Int? {
        root["train_state"]?["step"]?.integer ?? root["optimizer_history"]?.items?.last?["num_updates"]?.integer
    }

    /// Returns a phrase on each of a file's other members.
    private static func leftovers(_ root: PickleReference, weightsAreRoot: Bool) -> [String] {
        let known = [
            "last_optimizer_state": "the optimizer's state; training continues with a fresh one",
            "optimizer": "the optimizer's state; training continues with a fresh one",
            "optimizer_history": "which optimizer and criterion it was trained with",
            "extra_state": "the place in the data, and the best loss", "criterion": "the criterion's state",
            "scaler": "the loss scale", "train_state": "the place in the data, and the best loss",
            "ema_model": "a moving average of the weights beside them",
        ]
        let carried: Set = ["model", "args", "cfg", "output_labels", ForeignArguments.ownMember]
        guard !weightsAreRoot, let members = root.members else { return [] }
        return members.compactMap { key, value in
            guard !carried.contains(key), !value.isNone, !(value.count == 0 && value.items != nil) else { return nil }
            if key == "task_state" {
                let others = value.members?.map(\.key).filter { $0 != "target_dictionary" } ?? []
                return others.isEmpty ? nil : "task_state: \(others.joined(separator: ", "))"
            }
            return "\(key): \(known[key] ?? "unknown to this program")"
        }
    }
}

extension PyTorchCheckpoint {
    /// The options of a file, at any of the places where they are stored.
    struct Options {
        let format: CheckpointFormat
        let layout: String
        private let root: PickleReference
        private let path: String
        /// The options of the model itself, and those of the pre-trained model in it.
        private var own: ForeignArguments?
        private var pretrained: ForeignArguments?
        private var sections: [String] = []
        private let missing: String
        /// Whether the pre-trained model's options are in `w2v_args`.
        private var hasInner = false

        init(_ root: PickleReference, task: ModelTask, path: String) throws {
            self.root = root
            self.path = path
            if let cfg = root["cfg"] {
                format = .fairseq
                layout = cfg.isDictionary ? "new options (cfg)" : "new options (cfg of omegaconf)"
                try Self.requireFamily(cfg["model"]?["_name"]?.string, path)
                own = Self.arguments(cfg, path)
                let carried: Set = ["model", "task", "criterion"]
                sections = (cfg.members ?? []).filter { !carried.contains($0.key) && !$0.value.isNone }.map(\.key)
            } else if let args = root["args"] {
                let isNvidia = args.isDictionary
                format = isNvidia ? .nvidia : .fairseq
                layout = isNvidia ? "options as a dictionary (args)" : "old options (args)"
                try Self.requireFamily(args["arch"]?.string, path)
                own = ForeignArguments([args], path: path)
            } else {
                format = .fairseq
                layout = root["model"] == nil ? "weights alone" : "no options"
            }
            let outer = root["cfg"]?["model"] ?? root["args"]
            if !task.isFinetuned || format == .nvidia {
                pretrained = own
                missing = "it has neither args nor cfg"
            } else if let inner = outer?["w2v_args"] {
                pretrained =
                    inner["model"]?.members == nil
                    ? ForeignArguments([inner], path: path) : Self.arguments(inner, path)
                missing = ""
                hasInner = true
            } else {
                missing = "it has no w2v_args" + (outer?["w2v_path"]?.string.map { ", only w2v_path \($0)" } ?? "")
            }
        }

        /// Returns the sections of a `cfg` that describe the model.
        private static func arguments(_ cfg: PickleReference, _ path: String) -> ForeignArguments {
            // The model's own normalize only refers to the task's.
            ForeignArguments([cfg["model"], cfg["criterion"], cfg["task"]], path: path)
        }

        private static func requireFamily(_ name: String?, _ path: String) throws {
            let known = ModelFamily.registered.flatMap(\.fairseqModels)
            guard let name, !known.contains(name) else { return }
            throw CheckpointError.damaged(
                path: path, reason: "it holds a \(name) model, and only \(known.joined(separator: ", ")) are known here"
            )
        }

        /// Returns the description of a model with these options.
        mutating func description(
            _ task: ModelTask, architecture: ModelDescription?
        ) throws -> ModelDescription {
            var description = ModelDescription.foreignDefaults(task, format)
            if pretrained != nil {
                try pretrained?.requireThisArchitecture()
                try pretrained?.apply(to: &description)
            } else if let architecture {
                description.model = architecture.model
                description.masking = architecture.masking
                description.objective = architecture.objective
                description.normalize = architecture.normalize
                description.normalizeEpsilon = architecture.normalizeEpsilon
            } else {
                throw CheckpointError.noArchitecture(path: path, reason: missing)
            }
            guard task.isFinetuned, own != nil else { return description }
            try own?.apply(to: &description)
            if let text = own?.text("layerdrop"), let rate = Double(text) { description.model.encoderLayerdrop = rate }
            if own?.text("apply_mask") == "false" {
                description.masking.time.probability = 0
                description.masking.channel.probability = 0
            }
            return description
        }

        /// The options that have no equivalent here.
        var notCarriedOver: [String] {
            var result: [String] = []
            if !sections.isEmpty { result.append("cfg: \(sections.joined(separator: ", "))") }
            if hasInner, let inner = pretrained?.unused, !inner.isEmpty {
                result.append("w2v_args: \(inner.joined(separator: ", "))")
            }
            let name = root["cfg"] == nil ? "args" : "cfg.model, cfg.task, cfg.criterion"
            // The pre-trained model's options have been read completely.
            let outer: Set = ["w2v_args", "apply_mask", "layerdrop", "arch", "mode"]
            let unused = (own?.unused ?? []).filter { !outer.contains($0) && pretrained?.used.contains($0) != true }
            if !unused.isEmpty { result.append("\(name): \(unused.joined(separator: ", "))") }
            return result
        }
    }
}
