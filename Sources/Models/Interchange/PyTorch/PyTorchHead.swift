import W2VBackbone
import W2VBase
import W2VTorch

/// The parts of fairseq's and NVIDIA's files that depend on the task.
struct PyTorchHead: Sendable {
    typealias Options = [(key: String, value: PickledValue)]

    /// A tensor that only the task's models have.
    let marker: String
    /// fairseq's name of the model (`_name`).
    let model: String
    /// fairseq's name of the task.
    let task: String
    /// fairseq's name of the criterion.
    let criterion: String
    /// fairseq's class of the criterion.
    let criterionClass: String
    /// The extension of files of labels.
    var labels: String?
    /// The model's options in a `cfg`.
    let modelOptions: @Sendable (ModelDescription, PyTorchOptions) -> Options
    /// The criterion's options in a `cfg`.
    let criterionOptions: @Sendable (ModelDescription, PyTorchOptions) -> Options
    /// Our names of the settings in NVIDIA's options, besides those of every model.
    var nvidiaOptions: Set<String> = []

    /// Sets their programs' defaults for options that a file lacks.
    var setDefaults: @Sendable (inout ModelDescription, CheckpointFormat) -> Void = { _, _ in }
    /// Returns what a format cannot represent of a model, and what to do about it.
    var refusal: @Sendable (ModelConfiguration, CheckpointFormat) -> (what: String, advice: Advice)? = { _, _ in nil }
    /// Returns the settings that a format cannot store, one phrase each.
    var notes: @Sendable (ModelDescription, CheckpointFormat) -> [String] = { _, _ in [] }
    /// Returns the prefixes of the head's parameter names, which fine-tuned models may still have.
    var prefixes: @Sendable () throws -> [String] = { [] }
    /// Returns the part that fairseq's files store under two names.
    var secondName: @Sendable (ModelConfiguration) -> SecondName? = { _ in nil }

    /// The second name of a part.
    struct SecondName {
        /// The part's name for people.
        var part: String
        /// The prefix of its parameter names, with the dot.
        var prefix: String
        /// The prefix under the second name, with the dot.
        var second: String
    }
}
