import Foundation
import W2VBase
import W2VObjectives
import W2VTorch

/// This program's own format: a folder with `model.safetensors` and `config.json`.
///
/// Training may store other weights of the same model beside them, such as `ema.safetensors`.
enum NativeCheckpoint {
    static func read(_ url: URL) throws -> Checkpoint {
        let isFile = url.pathExtension == "safetensors"
        let folder = isFile ? url.deletingLastPathComponent() : url
        let configuration = folder.appendingPathComponent(Checkpoint.configurationName)
        let weights = isFile ? url : folder.appendingPathComponent(Checkpoint.weightsName)
        for file in [configuration, weights] where !FileManager.default.fileExists(atPath: file.path) {
            throw CheckpointError.missing(path: url.path)
        }
        try LargeFilePointer.refuse(weights)
        let data: Data
        do {
            data = try Data(contentsOf: configuration)
        } catch {
            throw CheckpointError.damaged(path: configuration.path, reason: "it cannot be read")
        }
        let tensors = try TensorFile.read(weights)
        let added = tensors.filter { $0.key.hasPrefix(addedKey) }
        let notes = companions(of: weights) + objectives(added.keys.sorted())
        var checkpoint = try Checkpoint(
            url: url, format: .native, description: ModelDescription(json: data, path: configuration.path),
            state: tensors.filter { added[$0.key] == nil }, findings: notes.map { CheckpointNote($0, .conversion) })
        checkpoint.objectiveState = added
        return checkpoint
    }

    /// The prefix of other objectives' parameter names.
    private static let addedKey = addedObjectivesKey + "."

    /// Returns the objectives whose parameters a run stores in a checkpoint beside the model's.
    private static func objectives(_ names: [String]) -> [String] {
        let names = Set(names.compactMap { $0.dropFirst(addedKey.count).split(separator: ".").first.map(String.init) })
        return names.sorted().map { "\(addedKey)\($0): parameters of an objective that the run was trained by" }
    }

    /// Returns the files that a run stores beside a model's weights, and no other format has.
    private static func companions(of weights: URL) -> [String] {
        let folder = weights.deletingLastPathComponent()
        return [
            ("ema.safetensors", "averaged weights, which are a checkpoint too: name the file itself"),
            ("optimizer.safetensors", "the optimizer's state"),
            ("training_state.json", "where the run was"),
        ].compactMap { name, what in
            let file = folder.appendingPathComponent(name)
            return name != weights.lastPathComponent && FileManager.default.fileExists(atPath: file.path)
                ? "\(name): \(what)" : nil
        }
    }

    /// Writes into an existing folder; nothing is omitted.
    static func write(_ description: ModelDescription, state: [String: Tensor], to folder: URL) throws -> [String] {
        try Checkpoint.write(weights: state, to: folder.appendingPathComponent(Checkpoint.weightsName))
        let json = try description.json()
        try AtomicFile.write(to: folder.appendingPathComponent(Checkpoint.configurationName)) { try $0.append(json) }
        return []
    }
}
