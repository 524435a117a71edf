import W2VBackbone
import W2VBase
import W2VTorch

/// What fairseq's and NVIDIA's files have of a task.
struct PyTorchHead: Sendable {
    typealias Options = [(key: String, value: PickledValue)]

    /// A tensor that the task's models have and others do not.
    let marker: String
    /// fairseq's name of the model (`_name`).
    let model: String
    /// fairseq's name of the task.
    let task: String
    /// fairseq's name of the criterion.
    let criterion: String
    /// fairseq's class of the criterion.
    let criterionClass: String
    /// The ending of the files of labels.
    var labels: String?
    /// The model's options in a `cfg`.
    let modelOptions: @Sendable (ModelDescription, PyTorchOptions) -> Options
    /// The criterion's options in a `cfg`.
    let criterionOptions: @Sendable (ModelDescription, PyTorchOptions) -> Options
    /// Our names of the settings that NVIDIA's options have besides those of every model.
    var nvidiaOptions: Set<String> = []

    /// Sets what their programs take where a file has no option.
    var setDefaults: @Sendable (inout ModelDescription, CheckpointFormat) -> Void = { _, _ in }
    /// What of a model a format has no place for, and what to do about it.
    var refusal: @Sendable (ModelConfiguration, CheckpointFormat) -> (what: String, advice: Advice)? = { _, _ in nil }
    /// The settings that a format has no place for, a phrase each.
    var notes: @Sendable (ModelDescription, CheckpointFormat) -> [String] = { _, _ in [] }
    /// What the names of the head's parameters begin with, where fine-tuned models may still have them.
    var prefixes: @Sendable () throws -> [String] = { [] }
    /// A part that fairseq's files have under two names.
    var secondName: @Sendable (ModelConfiguration) -> SecondName? = { _ in nil }

    /// The second name of a part.
    struct SecondName {
        /// What people call the part.
        var part: String
        /// What its parameters' names begin with, with the dot.
        var prefix: String
        /// What they begin with under the second name, with the dot.
        var second: String
    }
}
