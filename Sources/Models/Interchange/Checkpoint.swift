import Foundation
import W2VBackbone
import W2VTorch

/// A model on disk, in any of the formats of ``CheckpointFormat``.
///
/// In every format the weights have fairseq's names, with queries, keys and values as separate projections.
public struct Checkpoint: Sendable {
    /// The weights' file in a folder.
    public static let weightsName = "model.safetensors"
    /// The file of averaged weights in a folder, where training made them.
    public static let averagedWeightsName = "ema.safetensors"
    /// The description's file in a folder.
    public static let configurationName = "config.json"

    /// The source: a folder, or a file of weights in one.
    public let url: URL
    /// The format.
    public let format: CheckpointFormat
    /// The variant of the format, for people: "zip, cfg as omegaconf"; empty if there is only one.
    public let layout: String
    /// The description of the model; the labels of a model with an output layer may be missing (``requireLabels()``).
    public internal(set) var description: ModelDescription
    /// The weights by fairseq's names, in the mapped file.
    public internal(set) var state: [String: Tensor]
    /// The weights of objectives that a run used beside its leading one, by the run's names.
    public internal(set) var objectiveState: [String: Tensor] = [:]
    /// All weights by their names in files, including those of other objectives.
    var allState: [String: Tensor] { state.merging(objectiveState) { own, _ in own } }
    /// Notes on what the checkpoint contains, lacks or contradicts, in the order of discovery.
    public internal(set) var findings: [CheckpointNote]
    /// The update after which it was saved, if known.
    public let update: Int?

    /// Makes a checkpoint, and checks the weights against the description before anything is allocated according to it.
    init(
        url: URL, format: CheckpointFormat, layout: String = "", description: ModelDescription,
        state: [String: Tensor], findings: [CheckpointNote] = [], update: Int? = nil
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
        self.findings = findings
        self.update = update
    }

    /// The content that this program does not use: one phrase each, starting with the key.
    public var notCarriedOver: [String] { findings.filter { $0.subject != .dictionary }.map(\.phrase) }

    /// Notes for users of the model: unused content, and missing content.
    public var notes: [CheckpointNote] { findings.filter { $0.subject != .conversion } }

    // MARK: Files

    /// Returns the checkpoint that a path stands for: a run's folder stands for its `best`, and before there is one, for
    /// its `last`.
    ///
    /// - Parameter url: Any path.
    /// - Returns: The folder in the run; any other path is returned as it is.
    public static func place(of url: URL) -> URL {
        let manager = FileManager.default
        guard !manager.fileExists(atPath: url.appendingPathComponent(configurationName).path) else { return url }
        let states = ["best", "last"].map { url.appendingPathComponent($0, isDirectory: true) }
        return states.first { manager.fileExists(atPath: $0.appendingPathComponent(configurationName).path) } ?? url
    }

    /// Opens a checkpoint of any format, detected by its content; the weights stay on disk until they are used.
    ///
    /// - Parameters:
    ///   - url: A folder, also that of a run (``place(of:)``), a `.pt` file, or one file of weights in a folder of this
    ///     program, such as `ema.safetensors`.
    ///   - architecture: Another checkpoint of the same architecture, for a `.pt` file that does not contain its own.
    /// - Returns: The checkpoint, with its weights still on disk.
    /// - Throws: ``CheckpointError`` or a safetensors error, naming the file.
    public static func read(_ url: URL, architectureFrom architecture: URL? = nil) throws -> Checkpoint {
        if url.pathExtension == "safetensors" { return try NativeCheckpoint.read(url) }
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), !isFolder.boolValue {
            return try PyTorchCheckpoint.read(url, architecture: architecture.map { try read($0).description })
        }
        let url = place(of: url)
        if HuggingFace.isCheckpoint(url) { return try HuggingFace.read(url) }
        return try NativeCheckpoint.read(url)
    }

    /// Writes a model in any format.
    ///
    /// - Parameters:
    ///   - state: The model's parameters by its own names.
    ///   - url: For formats that are folders, an existing folder, otherwise the file.
    ///   - update: The update after which it was saved, if the format can store it.
    /// - Returns: The settings that the format cannot store, one phrase each, starting with the key.
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

    /// Writes only weights, in this program's format.
    ///
    /// - Parameter state: The model's parameters by its own names.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public static func write(weights state: [String: Tensor], to file: URL) throws {
        try TensorFile.write(FusedParameters.split(state), metadata: ["format": "pt"], to: file)
    }

    /// Returns all weights by the model's own names, including those of other objectives.
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

    /// Returns a model of the description with the checkpoint's weights.
    ///
    /// - Parameter model: A model with empty parameters.
    /// - Throws: ``CheckpointError`` when the weights do not match the model.
    func loaded<Model: Module>(_ model: Model) throws -> Model {
        try load(model, state)
        return model
    }

    /// Returns the backbone's weights by its own names, from a checkpoint of any task.
    ///
    /// Quantizer, target and output projections are omitted.
    public func sharedState() throws -> [String: Tensor] {
        let shared = ModelDescription(task: .encoder, model: description.model)
        return try FusedParameters.join(
            Dictionary(
                uniqueKeysWithValues: shared.shapes(labels: 0).keys.compactMap { name in
                    state[description.task.backbonePrefix + name].map { (name, $0) }
                }))
    }

    /// Returns the backbone with its weights, from a checkpoint of any task.
    public func sharedModel() throws -> Wav2Vec2Model {
        let model = try Wav2Vec2Model(description.model, initializer: .empty)
        try load(model, sharedState())
        return model
    }
}
