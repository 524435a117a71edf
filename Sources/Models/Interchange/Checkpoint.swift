import Foundation
import W2VBackbone
import W2VTorch

/// A model on disk, in any of the formats of ``CheckpointFormat``.
///
/// Whatever the format, the weights bear fairseq's names, with queries, keys and values as separate projections.
public struct Checkpoint: Sendable {
    /// The weights' file in a folder.
    public static let weightsName = "model.safetensors"
    /// The file of averaged weights in a folder, where training made them.
    public static let averagedWeightsName = "ema.safetensors"
    /// The description's file in a folder.
    public static let configurationName = "config.json"

    /// Where it was read from: a folder, or a file of weights in one.
    public let url: URL
    /// Whose layout it has.
    public let format: CheckpointFormat
    /// The layout's variant, for people: "zip, cfg as omegaconf"; empty where there is only one.
    public let layout: String
    /// What the weights are; the labels of a model with an output layer may be missing (``requireLabels()``).
    public internal(set) var description: ModelDescription
    /// The weights by fairseq's names, in the mapped file.
    public internal(set) var state: [String: Tensor]
    /// The weights of objectives that a run was trained by beside its leading one, by the names that the run gives them.
    public internal(set) var objectiveState: [String: Tensor] = [:]
    /// All weights by the names that files have for them, those of other objectives included.
    var allState: [String: Tensor] { state.merging(objectiveState) { own, _ in own } }
    /// What the checkpoint holds, lacks or contradicts, and what is made of it, in the order in which it was found.
    public internal(set) var left: [CheckpointNote]
    /// The update that it was saved after, if it says so.
    public let update: Int?

    /// Gathers what was read, and holds the weights against the description before anything is allocated by it.
    init(
        url: URL, format: CheckpointFormat, layout: String = "", description: ModelDescription,
        state: [String: Tensor], left: [CheckpointNote] = [], update: Int? = nil
    ) throws {
        if let problem = description.misfit(state) {
            throw CheckpointError.damaged(path: url.path, reason: problem)
        }
        let labels = description.task.labelCount(state)
        guard description.labels.isEmpty || description.labels.count == labels else {
            throw CheckpointError.damaged(
                path: url.path,
                reason: "its dictionary has \(description.labels.count) symbols, but its model writes \(labels) labels")
        }
        self.url = url
        self.format = format
        self.layout = layout
        self.description = description
        self.state = state
        self.left = left
        self.update = update
    }

    /// What the checkpoint holds beside the model and this program leaves behind: a phrase each, its key first.
    public var notCarriedOver: [String] { left.filter { $0.subject != .dictionary }.map(\.phrase) }

    /// Notes for anyone who uses the model: what the checkpoint holds but this program does not use, and what it lacks.
    public var notes: [CheckpointNote] { left.filter { $0.subject != .conversion } }

    // MARK: Files

    /// Opens a checkpoint of any format, told by its content; the weights stay on disk until they are used.
    ///
    /// - Parameters:
    ///   - url: A folder, a `.pt` file, or one file of weights in a folder of this program, such as `ema.safetensors`.
    ///   - architecture: Another checkpoint of the same architecture, for a `.pt` file that does not say its own.
    /// - Returns: The checkpoint, its weights still on disk.
    /// - Throws: ``CheckpointError`` or a safetensors error, naming the file.
    public static func read(_ url: URL, architectureFrom architecture: URL? = nil) throws -> Checkpoint {
        if url.pathExtension == "safetensors" { return try NativeCheckpoint.read(url) }
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), !isFolder.boolValue {
            return try PyTorchCheckpoint.read(url, architecture: architecture.map { try read($0).description })
        }
        if HuggingFace.isCheckpoint(url) { return try HuggingFace.read(url) }
        return try NativeCheckpoint.read(url)
    }

    /// Writes a model in any format.
    ///
    /// - Parameters:
    ///   - state: The model's parameters by its own names.
    ///   - url: For formats that are folders an existing folder, else the file.
    ///   - update: The update it was saved after, where the format has a place for it.
    /// - Returns: The settings that the format has no place for, a phrase each, its key first.
    /// - Throws: ``CheckpointError/cannotHold(format:what:advice:)`` for a model that the format cannot represent;
    ///   `FileWriteError` when the disk is full or the system fails.
    @discardableResult
    public static func write(
        _ description: ModelDescription, state: [String: Tensor], to url: URL, format: CheckpointFormat = .native,
        update: Int = 0
    ) throws -> [String] {
        try ModelFamily.requirePlace(for: description.model, in: format)
        let state = try FusedParameters.split(state)
        switch format {
        case .native: return try NativeCheckpoint.write(description, state: state, to: url)
        case .huggingFace: return try HuggingFace.write(description, state: state, to: url)
        case .fairseq: return try FairseqWriter.write(description, state: state, to: url, update: update)
        case .nvidia: return try NvidiaWriter.write(description, state: state, to: url, update: update)
        }
    }

    /// Writes weights alone, in this program's format.
    ///
    /// - Parameter state: The model's parameters by its own names.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public static func write(weights state: [String: Tensor], to file: URL) throws {
        try TensorFile.write(FusedParameters.split(state), metadata: ["format": "pt"], to: file)
    }

    /// All weights by the model's own names, those of other objectives included.
    public func weights() throws -> [String: Tensor] {
        try FusedParameters.join(state).merging(objectiveState) { own, _ in own }
    }

    // MARK: Models

    func require(_ task: ModelTask) throws {
        guard description.task == task else {
            throw CheckpointError.wrongTask(path: url.path, found: description.task, wanted: task)
        }
    }

    private func load(_ module: Module, _ state: [String: Tensor]) throws {
        do {
            try module.adopt(FusedParameters.join(state))
        } catch let error as TorchError {
            throw CheckpointError.damaged(path: url.path, reason: error.description)
        }
    }

    /// A whole model with the checkpoint's weights.
    ///
    /// - Parameter model: A model of the description, its parameters empty.
    /// - Throws: ``CheckpointError`` when the weights are not the model's.
    func loaded<Model: Module>(_ model: Model) throws -> Model {
        try load(model, state)
        return model
    }

    /// The shared part's weights by its own names, from a checkpoint of any task.
    ///
    /// Quantizer, target and output projections are left out.
    public func sharedState() throws -> [String: Tensor] {
        let shared = ModelDescription(task: .encoder, model: description.model)
        return try FusedParameters.join(
            Dictionary(
                uniqueKeysWithValues: shared.shapes(labels: 0).keys.compactMap { name in
                    state[description.task.backbonePrefix + name].map { (name, $0) }
                }))
    }

    /// The shared part with its weights, from a checkpoint of any task.
    public func sharedModel() throws -> Wav2Vec2Model {
        let model = try Wav2Vec2Model(description.model, initializer: .empty)
        try load(model, sharedState())
        return model
    }
}
