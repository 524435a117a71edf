import Foundation
import W2VBackbone
import W2VTorch

/// Writes `.pt` files like NVIDIA's training program.
///
/// Its files have separate queries, keys and values, although its model fuses them.
enum NvidiaWriter {
    /// Writes a file.
    ///
    /// - Parameter update: The update after which it was saved.
    /// - Returns: The content that NVIDIA's format cannot store, one phrase each.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)``; `FileWriteError`.
    static func write(
        _ description: ModelDescription, state: [String: Tensor], to url: URL, update: Int
    ) throws -> [String] {
        var options = try PyTorchOptions(description, format: .nvidia)
        let task = description.task
        var names = PyTorchOptions.model.union(PyTorchOptions.masking).union(PyTorchOptions.negatives)
        names.formUnion(options.head.nvidiaOptions.union(["hourglass", "hourglass_resample"]))
        let masks = description.masking.isOn
        var args: [(key: String, value: PickledValue)] = [
            ("mode", .string(task.isFinetuned ? "finetune" : "pretrain")), ("normalize", .bool(description.normalize)),
            ("infonce", .bool(description.objective.infonce)), ("loss_weights", options.lossWeights),
            ("apply_mask", .bool(task.isFinetuned && masks)), ("use_spectrogram_features", .bool(false)),
            ("rotary_embeddings", .bool(false)), ("sample_rate", .integer(16_000)), ("mha", .string("pyt")),
        ]
        if let labels = options.head.labels { args.append(("labels", .string(labels))) }
        args += options.options(names)
        for phrase in options.head.notes(description, .nvidia) { options.note(phrase) }
        var tensors: [Tensor] = []
        var object: [(key: String, value: PickledValue)] = [
            ("args", .dictionary(args)), ("model", PyTorchWriter.dictionary(state, &tensors)), ("ema_model", .none),
            ("train_state", .dictionary([("step", .integer(update)), ("epoch", .integer(1))])),
            (ForeignArguments.ownMember, options.own),
        ]
        if task.hasLabels, !description.labels.isEmpty {
            // The text of a dictionary file; the counts are unknown and not used.
            let lines = try options.symbols(format: .nvidia).map { "\($0) 1\n" }
            object.append(("output_labels", .string(lines.joined())))
        }
        try PyTorchWriter.write(.dictionary(object), tensors: tensors, to: url)
        return options.left
    }
}
