import W2VBackbone

/// The parts of Hugging Face's folders that depend on the task.
public struct HuggingFaceHead: Sendable {
    /// Transformers' class of a model by the family's `model_type`; ``ModelFamily/architectures`` has those of other
    /// families.
    public var architectures: [String: String] = [:]
    /// The names of the head's parameters in files, unless a family has others.
    public var names: [ParameterName] = []
    /// The keys of `config.json` for the task.
    public var fields: [HuggingFaceField] = []
    /// Sets Transformers' defaults for keys that `config.json` lacks.
    public var setDefaults: @Sendable (inout ModelDescription) -> Void = { _ in }
    /// Whether a tokenizer's files beside the weights contain the labels.
    public var hasTokenizer = false
    /// The note on a file without the head, which is then read as the backbone; nil if it is rejected.
    public var noteWithoutHead: String?
    /// Returns options of an architecture that the classes do not support, one phrase each.
    public var refusals: @Sendable (ModelConfiguration) -> [String] = { _ in [] }

    /// Makes a head that Transformers does not know.
    public init() {}
}
