import W2VBackbone

/// A kind of backbone: how it differs from others, and what other programs' checkpoints call its parts.
///
/// A family is data. A new one is most easily a ``variant(_:modelType:architectures:_:)`` of one that is there; once it is
/// registered (``register(_:)``), ``Checkpoint/read(_:architectureFrom:)`` reads folders of its `model_type`.
public struct ModelFamily: Sendable {
    /// One of Transformers' classes.
    public struct Architecture: Sendable, Equatable {
        /// The class, as in `architectures` of `config.json`.
        public var name: String
        /// What its models were trained for.
        public var task: ModelTask

        /// Names a class.
        ///
        /// - Parameters:
        ///   - name: The class, as in `architectures` of `config.json`.
        ///   - task: What its models were trained for.
        public init(_ name: String, _ task: ModelTask) {
            self.name = name
            self.task = task
        }
    }

    /// What people call it.
    public var name: String
    /// The formats that have a place for its models.
    public var formats: Set<CheckpointFormat> = Set(CheckpointFormat.allCases)
    /// Whether an architecture is one of this family, for a family that an architecture alone tells from wav2vec 2.0.
    public var describes: @Sendable (ModelConfiguration) -> Bool = { _ in false }

    // MARK: Hugging Face

    /// The `model_type` of `config.json`; nil where Transformers has no such models.
    public var modelType: String?
    /// The classes that are read besides those that tasks name for the `model_type` (``HuggingFaceHead/architectures``); of
    /// those of a task the first is written.
    public var architectures: [Architecture] = []
    /// What stands before the backbone's names in files of models with a head, without its dot.
    public var prefix = ""
    /// What they call the backbone's parameters, and those of heads that they call otherwise than ``HuggingFaceHead/names``.
    public var names: [ParameterName] = []
    /// Other spellings of their names, each with the one that ``names`` has.
    public var spellings: [String: String] = [:]
    /// Their names in early files, each with the later one: where a file has both, the early one counts.
    public var earlierNames: [String: String] = [:]
    /// What their names contain of parts that this architecture lacks, and what such parts are called.
    public var foreignParts: [String: String] = [:]
    /// What the keys of `config.json` stand for, besides those of the task (``HuggingFaceHead/fields``).
    public var fields: [HuggingFaceField] = []
    /// Keys of `config.json` that say nothing about these models.
    public var ignoredKeys: Set<String> = []
    /// Sets what counts where `config.json` has no key, or can have none: how the backbone differs from the BASE model's.
    public var defaults: @Sendable (inout ModelDescription) -> Void = { _ in }

    // MARK: fairseq

    /// The names of its models in fairseq's options (`arch`, or `_name` of the model).
    public var fairseqModels: [String] = []

    /// Makes a family without names.
    public init(_ name: String) { self.name = name }

    /// A family that differs in some things from this one.
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

    /// Gives a parameter, or all below a name, another foreign name.
    ///
    /// - Parameters:
    ///   - native: The name here, as in ``names``; it is added where there is none.
    ///   - foreign: The name there; `#` stands for a layer's number.
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

    /// The class that a task's models are written as; nil where there is none.
    func architecture(of task: ModelTask) -> Architecture? { allArchitectures.first { $0.task == task } }

    /// What files call the parameters of a task's head.
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

    /// What the keys of a task's `config.json` stand for.
    func fields(of task: ModelTask) -> [HuggingFaceField] {
        let heads = ModelTask.describing(task).flatMap(\.huggingFace.fields)
        return fields + heads.filter { field in !fields.contains { $0.key == field.key } }
    }
}
