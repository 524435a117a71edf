import W2VBackbone

/// What Hugging Face's folders have of a task.
public struct HuggingFaceHead: Sendable {
    /// Transformers' class of a model by the family's `model_type`; those of other families are in
    /// ``ModelFamily/architectures``.
    public var architectures: [String: String] = [:]
    /// What files call the head's parameters, unless a family calls them otherwise.
    public var names: [ParameterName] = []
    /// What keys of `config.json` stand for.
    public var fields: [HuggingFaceField] = []
    /// Sets what Transformers takes where `config.json` lacks a key.
    public var setDefaults: @Sendable (inout ModelDescription) -> Void = { _ in }
    /// Whether a tokenizer's files beside the weights hold the labels.
    public var hasTokenizer = false
    /// What is noted of a file without the head, which is then read as the backbone; nil where it is refused.
    public var noteWithoutHead: String?
    /// What an architecture has and the classes have no place for, a phrase each.
    public var refusals: @Sendable (ModelConfiguration) -> [String] = { _ in [] }

    /// Makes a head that Transformers does not know.
    public init() {}
}
