import W2VBackbone
import W2VBase
import W2VObjectives
import W2VTorch

/// A task that models are trained for: its head, and everything in a checkpoint that depends on it.
///
/// A task is data, like a ``ModelFamily``. A new one is one file, which makes a value and registers it
/// (``register(_:)``); ``Checkpoint/read(_:architectureFrom:)`` then knows its models.
public struct ModelTask: Sendable {
    /// A closure that makes a model from its description, the size of its output layer, and the source of parameters.
    public typealias Maker =
        @Sendable (_ description: ModelDescription, _ labels: Int, _ initializer: Initializer) throws -> Module
    /// A closure that computes the outputs to compare between two checkpoints, from concatenated recordings and their
    /// lengths.
    public typealias Outputs =
        @Sendable (_ checkpoint: Checkpoint, _ samples: Tensor, _ lengths: [Int]) throws -> [(
            name: String, tensor: Tensor
        )]

    /// The name in `config.json`.
    public let name: String
    /// A model's name for people, with its article: "a ctc model".
    public let phrase: String
    /// The use of its models, as in "which recognition does not use".
    public var purpose = "the model"
    /// Makes a model.
    public let makeModel: Maker
    /// The outputs that a comparison computes.
    public let outputs: Outputs

    /// Whether the model has more than the backbone.
    public var hasHead = true
    /// The prefix of the backbone's names in a checkpoint, with its dot.
    public var backbonePrefix = ""
    /// Whether it is trained on top of a pre-trained model, whose objective is dropped.
    public var isFinetuned = false
    /// The layer with one row per label, as checkpoints name it; nil for models without labels.
    public var outputLayer: String?
    /// Whether the head has a quantizer, if the architecture has one.
    public var hasQuantizer = false
    /// The remedy for a checkpoint of another task; nil if the error only says that this task is needed.
    public var remedy: Remedy?

    /// The lack of a checkpoint of another task, and the advice about it.
    public struct Remedy: Sendable {
        /// The function that such a model lacks, as "cannot transcribe".
        public var lack: String
        /// Returns the advice, given the checkpoint's path.
        public var advice: @Sendable (_ path: String) -> Advice

        /// Makes a remedy.
        public init(_ lack: String, advice: @escaping @Sendable (_ path: String) -> Advice) {
            self.lack = lack
            self.advice = advice
        }
    }

    /// The parts whose settings apply to its models.
    public var parts: Set<SettingScope.Part> = [.backbone]
    /// The section of its settings in `config.json`, if it has any.
    public var section: TaskSection?
    /// Whether the section is in every `config.json`, whatever the model's task.
    var describesEveryModel = false
    /// Returns the keys of the section that are meaningless with the other values of a description.
    public var meaninglessKeys: @Sendable (ModelDescription) -> Set<String> = { _ in [] }

    /// The parts of Hugging Face's folders that depend on it.
    public var huggingFace = HuggingFaceHead()
    /// The parts of fairseq's and NVIDIA's files that depend on it; nil if they cannot represent its models.
    var pyTorch: PyTorchHead?

    /// Makes a task without labels, settings and foreign names.
    ///
    /// - Parameters:
    ///   - name: The name in `config.json`.
    ///   - phrase: A model's name for people, with its article.
    ///   - outputs: Computes the outputs to compare.
    public init(
        _ name: String, phrase: String, makeModel: @escaping Maker, outputs: @escaping Outputs
    ) {
        self.name = name
        self.phrase = phrase
        self.makeModel = makeModel
        self.outputs = outputs
    }

    /// Whether its models have labels.
    public var hasLabels: Bool { outputLayer != nil }

    /// Returns the number of labels of weights with fairseq's names; 0 without an output layer.
    func labelCount(_ state: [String: Tensor]) -> Int {
        outputLayer.flatMap { state[$0 + ".weight"]?.shape.first } ?? 0
    }

    /// The names of the output layer's tensors, the weight's first; none without one.
    var outputTensors: [String] { outputLayer.map { ["\($0).weight", "\($0).bias"] } ?? [] }
}

extension ModelTask: Hashable, CustomStringConvertible {
    /// Returns whether two tasks have the same name.
    public static func == (first: ModelTask, second: ModelTask) -> Bool { first.name == second.name }

    /// Hashes the name.
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }

    /// The name.
    public var description: String { name }
}
