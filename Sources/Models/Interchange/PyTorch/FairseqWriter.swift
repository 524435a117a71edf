import Foundation
import W2VBackbone
import W2VTorch

/// Writes `.pt` files like newer versions of fairseq, with plain dictionaries as `cfg`.
enum FairseqWriter {
    /// Writes a file.
    ///
    /// - Parameter update: The update after which it was saved.
    /// - Returns: The content that fairseq cannot store, one phrase each.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)``; `FileWriteError`.
    static func write(
        _ description: ModelDescription, state: [String: Tensor], to url: URL, update: Int
    ) throws -> [String] {
        var options = try PyTorchOptions(description, format: .fairseq)
        var cfg = sections(options.head, description, options)
        var taskState: [(key: String, value: PickledValue)] = []
        if description.task.hasLabels, !description.labels.isEmpty {
            taskState = [("target_dictionary", dictionary(try options.symbols(format: .fairseq)))]
        }
        cfg += ["common", "checkpoint", "dataset", "optimization"].map { ($0, .dictionary([("_name", .none)])) }
        var tensors: [Tensor] = []
        let object: PickledValue = .dictionary([
            ("args", .none), ("cfg", .dictionary(cfg)),
            ("model", PyTorchWriter.dictionary(aliased(state, options.head.secondName(description.model)), &tensors)),
            ("criterion", .none),
            ("optimizer_history", .list([history(options.head, update)])), ("task_state", .dictionary(taskState)),
            (
                "extra_state",
                .dictionary([
                    (
                        "train_iterator",
                        .dictionary([
                            ("epoch", .integer(1)), ("iterations_in_epoch", .integer(0)), ("shuffle", .bool(true)),
                        ])
                    ), ("val_loss", .none),
                ])
            ), (ForeignArguments.ownMember, options.own),
        ])
        try PyTorchWriter.write(object, tensors: tensors, to: url)
        return options.left
    }

    /// Returns the weights, with the part that fairseq stores twice under both names.
    private static func aliased(_ state: [String: Tensor], _ alias: PyTorchHead.SecondName?) -> [String: Tensor] {
        guard let alias else { return state }
        var result = state
        for (name, tensor) in state where name.hasPrefix(alias.prefix) {
            result[alias.second + name.dropFirst(alias.prefix.count)] = tensor
        }
        return result
    }

    private static func history(_ head: PyTorchHead, _ update: Int) -> PickledValue {
        .dictionary([
            ("criterion_name", .string(head.criterionClass)),
            ("optimizer_name", .string("FairseqAdam")),
            ("lr_scheduler_state", .dictionary([("best", .none)])), ("num_updates", .integer(update)),
        ])
    }

    /// Returns the sections that describe a model, in order: its options, its task's and its criterion's.
    static func sections(
        _ head: PyTorchHead, _ description: ModelDescription, _ options: PyTorchOptions
    ) -> PyTorchHead.Options {
        func section(_ name: String, _ options: PyTorchHead.Options) -> PickledValue {
            .dictionary([("_name", .string(name))] + options)
        }
        return [
            ("model", section(head.model, head.modelOptions(description, options))),
            (
                "task",
                section(
                    head.task,
                    [
                        ("data", .string("")), ("labels", head.labels.map(PickledValue.string) ?? .none),
                        ("sample_rate", .integer(16_000)), ("normalize", .bool(description.normalize)),
                        ("enable_padding", .bool(false)),
                    ])
            ), ("criterion", section(head.criterion, head.criterionOptions(description, options))),
        ]
    }

    /// Returns fairseq's own dictionary object, so that the model loads without its data folder.
    private static func dictionary(_ symbols: [String]) -> PickledValue {
        let all = ["<s>", "<pad>", "</s>", "<unk>"] + symbols
        return .object(
            module: "fairseq.data.dictionary", name: "Dictionary",
            state: [
                ("bos_word", .string("<s>")), ("unk_word", .string("<unk>")), ("pad_word", .string("<pad>")),
                ("eos_word", .string("</s>")), ("symbols", .list(all.map(PickledValue.string))),
                ("count", .list(all.map { _ in .integer(1) })),
                ("indices", .dictionary(all.enumerated().map { ($1, .integer($0)) })),
                ("bos_index", .integer(0)), ("pad_index", .integer(1)), ("eos_index", .integer(2)),
                ("unk_index", .integer(3)), ("nspecial", .integer(4)),
            ])
    }
}
