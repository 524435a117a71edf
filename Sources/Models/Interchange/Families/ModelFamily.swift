import W2VBackbone

/// A kind of backbone: its differences from others, and the names of its parts in other programs' checkpoints.
///
/// A family is data. A new one is most easily a ``variant(_:modelType:architectures:_:)`` of an existing one; once it
/// is registered (``register(_:)``), ``Checkpoint/read(_:architectureFrom:)`` reads folders of its `model_type`.
public struct ModelFamily: Sendable {
    /// One of Transformers' classes.
    public struct Architecture: Sendable, Equatable {
        /// The class, as in `architectures` of `config.json`.
        public var name: String
        /// The task of its models.
        public var task: ModelTask

        /// Makes a class.
        ///
        /// - Parameters:
        ///   - name: The class, as in `architectures` of `config.json`.
        ///   - task: The task of its models.
        public init(_ name: String, _ task: ModelTask) {
            self.name = name
            self.task = task
        }
    }

    /// The name for people.
    public var name: String
    /// The formats that can represent its models.
    public var formats: Set<CheckpointFormat> = Set(CheckpointFormat.allCases)
    /// Returns whether an architecture belongs to this family, for a family that differs from wav2vec 2.0 in
    /// architecture.
    public var describes: @Sendable (ModelConfiguration) -> Bool = { _ in false }

    // MARK: Hugging Face

    /// The `model_type` of `config.json`; nil if Transformers has no such models.
    public var modelType: String?
    /// Classes that are read besides those that tasks define for the `model_type` (``HuggingFaceHead/architectures``);
    /// the first one for a task is written.
    public var architectures: [Architecture] = []
    /// The prefix of the backbone's names in files of models with a head, without its dot.
    public var prefix = ""
    /// The names of the backbone's parameters, and those of heads that differ from ``HuggingFaceHead/names``.
    public var names: [ParameterName] = []
    /// Other spellings of their names, each with the one in ``names``.
    public var spellings: [String: String] = [:]
    /// Their names in early files, each with the later one: in a file with both, the early one counts.
    public var earlierNames: [String: String] = [:]
    /// Components of their names that belong to parts that this architecture lacks, and what such parts are called.
    public var foreignParts: [String: String] = [:]
    /// The keys of `config.json`, besides those of the task (``HuggingFaceHead/fields``).
    public var fields: [HuggingFaceField] = []
    /// Keys of `config.json` that do not matter for these models.
    public var ignoredKeys: Set<String> = []
    /// Sets values that `config.json` lacks or cannot have: the backbone's differences from the BASE model.
    public var defaults: @Sendable (inout ModelDescription) -> Void = { _ in }

    // MARK: fairseq

    /// The names of its models in fairseq's options (`arch`, or `_name` of the model).
    public var fairseqModels: [String] = []

    /// Makes a family without names.
    public init(_ name: String) { self.name = name }

    /// Returns a family that differs in some respects from this one.
    ///
    /// - Parameter modelType: Its `model_type`, which is also the prefix of its names unless `change` sets another.
    public func variant(
        _ name: String, modelType: String?, architectures: [Architecture] = [],
        _ change: (inout ModelFamily) -> Void = { _ in }
    ) -> ModelFamily {
        var family = self
        family.name = name
        family.modelType = modelType
        family.prefix = modelType ?? ""
        family.architectures = architectures
        family.fairseqModels = []
        family.describes = { _ in false }
        change(&family)
        return family
    }

    /// Changes the foreign name of a parameter, or of all parameters below a name.
    ///
    /// - Parameters:
    ///   - native: Our name, as in ``names``; it is added if missing.
    ///   - foreign: Their name; `#` stands for a layer's number.
    public mutating func rename(_ native: String, to foreign: String) {
        if let index = names.firstIndex(where: { $0.native == native }) {
            names[index].foreign = foreign
            return
        }
        let head = ModelTask.registered.flatMap { headNames(of: $0) }.first { $0.native == native }
        var name = head ?? ParameterName(native, foreign)
        name.foreign = foreign
        names.append(name)
    }

    // MARK: Heads

    /// All classes that are read.
    var allArchitectures: [Architecture] {
        architectures
            + ModelTask.registered.compactMap { task in
                modelType.flatMap { task.huggingFace.architectures[$0] }.map { Architecture($0, task) }
            }
    }

    /// Returns the class that a task's models are written as; nil if there is none.
    func architecture(of task: ModelTask) -> Architecture? { allArchitectures.first { $0.task == task } }

    /// Returns the names of the parameters of a task's head in files.
    func headNames(of task: ModelTask) -> [ParameterName] {
        let own = names.filter { $0.head == task }
        let inherited = task.huggingFace.names.filter { name in !own.contains { $0.native == name.native } }
        return own
            + inherited.map { name in
                var name = name
                name.head = task
                return name
            }
    }

    /// Returns the keys of a task's `config.json`.
    func fields(of task: ModelTask) -> [HuggingFaceField] {
        let heads = ModelTask.describing(task).flatMap(\.huggingFace.fields)
        return fields + heads.filter { field in !fields.contains { $0.key == field.key } }
    }
}
