import Foundation
import Torch
import Wav2Vec2

/// Writes `.pt` files as newer versions of fairseq save them, with plain dictionaries as `cfg`.
enum FairseqWriter {
    /// Writes a file.
    ///
    /// - Parameters:
    ///   - description: What the model is.
    ///   - state: The weights by fairseq's names.
    ///   - url: The file.
    ///   - update: The update it was saved after.
    /// - Returns: What fairseq has no place for, a phrase each.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)``; `FileWriteError`; `TorchError`.
    static func write(
        _ description: ModelDescription, state: [String: Tensor], to url: URL, update: Int
    ) throws -> [String] {
        var options = try PyTorchOptions(description, format: .fairseq)
        var cfg: [(key: String, value: PickledValue)]
        var taskState: [(key: String, value: PickledValue)] = []
        switch description.task {
        case .pretraining, .encoder: cfg = pretraining(description, options)
        case .ctc:
            cfg = finetuning(description, options)
            if !description.labels.isEmpty {
                taskState = [("target_dictionary", dictionary(try options.symbols(format: .fairseq)))]
            }
        }
        cfg += ["common", "checkpoint", "dataset", "optimization"].map { ($0, .dictionary([("_name", .none)])) }
        var tensors: [Tensor] = []
        let object: PickledValue = .dictionary([
            ("args", .none), ("cfg", .dictionary(cfg)),
            ("model", PyTorchWriter.dictionary(aliased(state, description), &tensors)), ("criterion", .none),
            ("optimizer_history", .list([history(description, update)])), ("task_state", .dictionary(taskState)),
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

    /// fairseq names a quantizer that input and targets share twice.
    private static func aliased(_ state: [String: Tensor], _ description: ModelDescription) -> [String: Tensor] {
        guard description.task == .pretraining, description.model.quantizeInput, description.model.sameQuantizer else {
            return state
        }
        var state = state
        for (name, tensor) in state where name.hasPrefix("quantizer.") { state["input_" + name] = tensor }
        return state
    }

    private static func history(_ description: ModelDescription, _ update: Int) -> PickledValue {
        .dictionary([
            ("criterion_name", .string(description.task == .ctc ? "CtcCriterion" : "Wav2vecCriterion")),
            ("optimizer_name", .string("FairseqAdam")),
            ("lr_scheduler_state", .dictionary([("best", .none)])), ("num_updates", .integer(update)),
        ])
    }

    private static func task(_ name: String, _ description: ModelDescription, labels: PickledValue) -> PickledValue {
        .dictionary([
            ("_name", .string(name)), ("data", .string("")), ("labels", labels), ("sample_rate", .integer(16_000)),
            ("normalize", .bool(description.normalize)), ("enable_padding", .bool(false)),
        ])
    }

    private static func pretraining(
        _ description: ModelDescription, _ options: PyTorchOptions
    ) -> [(key: String, value: PickledValue)] {
        let model = options.options(PyTorchOptions.model.union(PyTorchOptions.masking).union(PyTorchOptions.negatives))
        return [
            ("model", .dictionary([("_name", .string("wav2vec2"))] + model)),
            ("task", task("audio_pretraining", description, labels: .none)),
            (
                "criterion",
                .dictionary([
                    ("_name", .string("wav2vec")), ("infonce", .bool(description.objective.infonce)),
                    ("loss_weights", options.lossWeights),
                ])
            ),
        ]
    }

    /// A recognizer's options, with those of the pre-trained model inside.
    private static func finetuning(
        _ description: ModelDescription, _ options: PyTorchOptions
    ) -> [(key: String, value: PickledValue)] {
        let own = options.options(
            PyTorchOptions.masking.union([
                "dropout", "attention_dropout", "activation_dropout", "dropout_input", "final_dropout",
                "feature_grad_mult", "blank_weight", "blank_mode", "freeze_finetune_updates",
            ]))
        let masks = description.masking.isOn
        let model: [(key: String, value: PickledValue)] = [
            ("_name", .string("wav2vec_ctc")), ("w2v_path", .string("")), ("no_pretrained_weights", .bool(false)),
            ("apply_mask", .bool(masks)), ("layerdrop", .number(description.model.encoderLayerdrop)),
            ("normalize", .bool(description.normalize)), ("data", .string("")),
            ("w2v_args", .dictionary(pretraining(description, options))),
        ]
        return [
            ("model", .dictionary(model + own)),
            ("task", task("audio_finetuning", description, labels: .string("ltr"))),
            (
                "criterion",
                .dictionary([
                    ("_name", .string("ctc")), ("zero_infinity", .bool(description.ctc.zeroInfinity)),
                    ("sentence_avg", .bool(true)), ("post_process", .string("letter")),
                ])
            ),
        ]
    }

    /// fairseq's own dictionary object, so that the model loads without the folder of its data.
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
