import Foundation
import Torch
import Wav2Vec2

/// Writes `.pt` files as NVIDIA's training program saves them.
///
/// Its files keep queries, keys and values apart, whatever its model has inside.
enum NvidiaWriter {
    /// Writes a file.
    ///
    /// - Parameters:
    ///   - description: What the model is.
    ///   - state: The weights by fairseq's names.
    ///   - url: The file.
    ///   - update: The update it was saved after.
    /// - Returns: What NVIDIA's format has no place for, a phrase each.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)``; `FileWriteError`; `TorchError`.
    static func write(
        _ description: ModelDescription, state: [String: Tensor], to url: URL, update: Int
    ) throws -> [String] {
        if description.model.sameQuantizer, description.model.quantizeInput, description.task == .pretraining {
            throw CheckpointError.cannotHold(
                format: .nvidia, what: "a quantizer that input and targets share (same_quantizer)",
                advice: "convert it to fairseq, or keep it in this program's format")
        }
        var options = try PyTorchOptions(description, format: .nvidia)
        let isCTC = description.task == .ctc
        var names = PyTorchOptions.model.union(PyTorchOptions.masking).union(PyTorchOptions.negatives)
        names.formUnion(["hourglass", "hourglass_resample"])
        if isCTC { names.formUnion(["final_dropout", "blank_weight", "blank_mode", "freeze_finetune_updates"]) }
        let masks = description.masking.isOn
        var args: [(key: String, value: PickledValue)] = [
            ("mode", .string(isCTC ? "finetune" : "pretrain")), ("normalize", .bool(description.normalize)),
            ("infonce", .bool(description.objective.infonce)), ("loss_weights", options.lossWeights),
            ("apply_mask", .bool(isCTC && masks)), ("use_spectrogram_features", .bool(false)),
            ("rotary_embeddings", .bool(false)), ("sample_rate", .integer(16_000)), ("mha", .string("pyt")),
        ]
        if isCTC { args.append(("labels", .string("ltr"))) }
        args += options.options(names)
        if isCTC, !description.ctc.zeroInfinity { options.note("zero_infinity false: theirs is always true") }
        var tensors: [Tensor] = []
        var object: [(key: String, value: PickledValue)] = [
            ("args", .dictionary(args)), ("model", PyTorchWriter.dictionary(state, &tensors)), ("ema_model", .none),
            ("train_state", .dictionary([("step", .integer(update)), ("epoch", .integer(1))])),
            (ForeignArguments.ownMember, options.own),
        ]
        if isCTC, !description.labels.isEmpty {
            // A dictionary file's text; the counts are not known, and nothing depends on them.
            let lines = try options.symbols(format: .nvidia).map { "\($0) 1\n" }
            object.append(("output_labels", .string(lines.joined())))
        }
        try PyTorchWriter.write(.dictionary(object), tensors: tensors, to: url)
        return options.left
    }
}
