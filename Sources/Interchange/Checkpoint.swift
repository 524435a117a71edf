import Foundation
import Torch
import Wav2Vec2

/// What can be wrong with a checkpoint.
public enum CheckpointError: Error, CustomStringConvertible, Sendable {
    /// A folder lacks the weights or the configuration.
    case missing(path: String)
    /// A file cannot be used, and why.
    case damaged(path: String, reason: String)
    /// The checkpoint is of a model for another task.
    case wrongTask(path: String, found: ModelDescription.Task, wanted: ModelDescription.Task)

    /// One sentence that names the folder or file, and what was expected of it.
    public var description: String {
        switch self {
        case .missing(let path):
            return "\(path) is not a checkpoint: a folder with model.safetensors and config.json is expected"
        case .damaged(let path, let reason):
            return "\(path) cannot be used: \(reason)"
        case .wrongTask(let path, let found, .ctc):
            return "\(path) holds a \(found.rawValue) model, which cannot transcribe: fine-tune it first with "
                + "wav2vec2 finetune --from \(path)"
        case .wrongTask(let path, let found, let wanted):
            return "\(path) holds a \(found.rawValue) model where one for \(wanted.rawValue) is needed"
        }
    }
}

/// A model on disk: a folder with `model.safetensors`, whose names are fairseq's, and `config.json`.
///
/// Hugging Face's folders of the same architecture are read too.
public struct Checkpoint: Sendable {
    /// The weights' file in a checkpoint's folder.
    public static let weightsName = "model.safetensors"
    /// The file of averaged weights in a checkpoint's folder, where training made them.
    public static let averagedWeightsName = "ema.safetensors"
    /// The description's file in a checkpoint's folder.
    public static let configurationName = "config.json"

    /// Where it was read from: a folder, or a file of weights in one.
    public let url: URL
    /// What the weights are.
    public let description: ModelDescription
    /// The weights by the checkpoint's names, in the mapped file.
    public let state: [String: Tensor]

    /// Opens a checkpoint; the weights stay on disk until they are used.
    ///
    /// - Parameter url: The folder, or one file of weights in it, such as `ema.safetensors`.
    /// - Returns: The checkpoint, its weights still on disk.
    /// - Throws: ``CheckpointError`` or a safetensors error, naming the file.
    public static func read(_ url: URL) throws -> Checkpoint {
        let isFile = url.pathExtension == "safetensors"
        let folder = isFile ? url.deletingLastPathComponent() : url
        let configuration = folder.appendingPathComponent(configurationName)
        let weights = isFile ? url : folder.appendingPathComponent(weightsName)
        for file in [configuration, weights] where !FileManager.default.fileExists(atPath: file.path) {
            throw CheckpointError.missing(path: url.path)
        }
        let data: Data
        do {
            data = try Data(contentsOf: configuration)
        } catch {
            throw CheckpointError.damaged(path: configuration.path, reason: "it cannot be read")
        }
        var state = try TensorFile.read(weights)
        if let root = try? JSONDecoder().decode(JSONValue.self, from: data), root["model_type"] != nil {
            let description = try HuggingFace.description(root, folder: folder)
            state = Dictionary(
                state.map { (HuggingFace.name($0, description), $1) }, uniquingKeysWith: { first, _ in first })
            return Checkpoint(url: url, description: description, state: state)
        }
        return Checkpoint(
            url: url, description: try ModelDescription(json: data, path: configuration.path), state: state)
    }

    /// Writes a model into an existing folder.
    ///
    /// - Parameters:
    ///   - description: What it is.
    ///   - state: The model's parameters by its own names.
    ///   - folder: The folder, which must exist.
    /// - Throws: `FileWriteError` when the disk is full or the system fails; `TorchError.operation` if LibTorch refuses.
    public static func write(_ description: ModelDescription, state: [String: Tensor], to folder: URL) throws {
        try write(weights: state, to: folder.appendingPathComponent(weightsName))
        let json = try description.json()
        try AtomicFile.write(to: folder.appendingPathComponent(configurationName)) { try $0.append(json) }
    }

    /// Writes weights alone.
    ///
    /// - Parameters:
    ///   - state: The model's parameters by its own names.
    ///   - file: The file.
    /// - Throws: `FileWriteError` when the disk is full or the system fails; `TorchError.operation` if LibTorch refuses.
    public static func write(weights state: [String: Tensor], to file: URL) throws {
        try TensorFile.write(FusedParameters.split(state), metadata: ["format": "pt"], to: file)
    }

    private var weightsFile: URL {
        url.pathExtension == "safetensors" ? url : url.appendingPathComponent(Self.weightsName)
    }

    /// The weights by the model's own names.
    public func weights() throws -> [String: Tensor] { try FusedParameters.join(state) }

    private func require(_ task: ModelDescription.Task) throws {
        guard description.task == task else {
            throw CheckpointError.wrongTask(path: url.path, found: description.task, wanted: task)
        }
    }

    private func load(_ module: Module, _ state: [String: Tensor]) throws {
        do {
            try module.load(FusedParameters.join(state))
        } catch let error as TorchError {
            throw CheckpointError.damaged(
                path: weightsFile.path, reason: error.description)
        }
    }

    /// The pre-training model with its weights.
    public func pretrainingModel() throws -> PretrainingModel {
        try require(.pretraining)
        let model = try PretrainingModel(
            description.model, objective: description.objective,
            maskChannelBefore: description.masking.maskChannelBefore, initializer: .empty)
        try load(model, state)
        return model
    }

    /// The recognizer's model with its weights.
    public func ctcModel() throws -> CTCModel {
        try require(.ctc)
        let model = try CTCModel(
            description.model, labels: description.labels.count, options: description.ctc, initializer: .empty)
        try load(model, state)
        return model
    }

    /// The shared part's weights by its own names, from a checkpoint of either task.
    ///
    /// Quantizer, target and output projections are left out.
    public func sharedState() throws -> [String: Tensor] {
        let prefix = "w2v_encoder.w2v_model."
        switch description.task {
        case .ctc:
            return try FusedParameters.join(
                Dictionary(
                    uniqueKeysWithValues: state.compactMap { name, tensor in
                        name.hasPrefix(prefix) ? (String(name.dropFirst(prefix.count)), tensor) : nil
                    }))
        case .pretraining:
            let heads = ["quantizer.", "project_q.", "final_proj.", "input_quantizer.", "project_inp.", "target_glu."]
            return try FusedParameters.join(state.filter { name, _ in !heads.contains(where: name.hasPrefix) })
        }
    }
}
