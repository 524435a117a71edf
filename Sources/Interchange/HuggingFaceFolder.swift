import Foundation
import Torch

/// The files of a Hugging Face folder.
struct HuggingFaceFolder: Sendable {
    /// Where they lie.
    let url: URL

    /// Files that are read, or that say nothing about the model.
    private static let known: Set<String> = [
        "config.json", "preprocessor_config.json", "processor_config.json", "vocab.json", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json", "README.md", "LICENSE",
    ]
    /// The weights' files, the first one found is taken; an index lists the shards.
    private static let weights = ["model.safetensors", "pytorch_model.bin"]
    /// No configuration or vocabulary comes near this.
    private static let largestJSON = 64 << 20

    /// A file's path, for errors.
    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    /// A JSON object of the folder.
    ///
    /// - Parameter name: The file's name.
    /// - Returns: Its members; nil when there is no such file.
    /// - Throws: ``CheckpointError/damaged(path:reason:)`` when it is no JSON object.
    func object(_ name: String) throws -> [String: JSONValue]? {
        let path = path(name)
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int ?? 0
        guard size <= Self.largestJSON else {
            throw CheckpointError.damaged(path: path, reason: "\(size) bytes are no configuration")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CheckpointError.damaged(path: path, reason: "it cannot be read")
        }
        do {
            return try JSONDecoder().decode([String: JSONValue].self, from: data)
        } catch {
            throw CheckpointError.damaged(path: path, reason: "it is not a JSON object (\(Self.reason(error)))")
        }
    }

    private static func reason(_ error: any Error) -> String {
        guard case .dataCorrupted(let context)? = error as? DecodingError else { return "it holds something else" }
        let detail = (context.underlyingError as NSError?)?.userInfo["NSDebugDescription"] as? String
        return detail ?? context.debugDescription
    }

    /// The weights by their names, whatever files they lie in.
    ///
    /// - Returns: The tensors, on disk until they are used, and the names of the files that were not read.
    /// - Throws: ``CheckpointError`` naming the file that is missing or damaged, or a safetensors error.
    func weights() throws -> (tensors: [String: Tensor], unread: [String]) {
        for name in Self.weights {
            if FileManager.default.fileExists(atPath: path(name)) {
                return (try tensors(name), unread([name]))
            }
            let index = name + ".index.json"
            if let root = try object(index) {
                let shards = try shards(root, index)
                return (try tensors(shards, index), unread([index] + shards.keys))
            }
        }
        throw CheckpointError.damaged(
            path: url.path, reason: "it has config.json, but neither model.safetensors nor pytorch_model.bin")
    }

    private func tensors(_ name: String) throws -> [String: Tensor] {
        let file = url.appendingPathComponent(name)
        guard name.hasSuffix(".bin") else { return try TensorFile.read(file) }
        let saved = try PyTorchFile(file)
        return try saved.tensors(saved.root, "its dictionary")
    }

    /// The names of each shard's tensors.
    private func shards(_ root: [String: JSONValue], _ index: String) throws -> [String: [String]] {
        func damaged(_ reason: String) -> CheckpointError { .damaged(path: path(index), reason: reason) }
        guard case .object(let map)? = root["weight_map"], !map.isEmpty else {
            throw damaged("it has no weight_map, an object from tensor to file")
        }
        var shards: [String: [String]] = [:]
        for (tensor, value) in map {
            guard let shard = value.string else {
                throw damaged("\(tensor) is in \(value.text), where a file's name is expected")
            }
            // A name may not lead out of the folder.
            guard !shard.contains("/"), !shard.hasPrefix("."),
                shard.hasSuffix(".safetensors") || shard.hasSuffix(".bin")
            else {
                throw damaged("\(tensor) is in \(shard), which is not the name of a weights' file")
            }
            shards[shard, default: []].append(tensor)
        }
        return shards
    }

    private func tensors(_ shards: [String: [String]], _ index: String) throws -> [String: Tensor] {
        var all: [String: Tensor] = [:]
        for (shard, names) in shards.sorted(by: { $0.key < $1.key }) {
            guard FileManager.default.fileExists(atPath: path(shard)) else {
                throw CheckpointError.damaged(
                    path: path(index), reason: "the file \(shard) that it names is missing: fetch it too")
            }
            let found = try tensors(shard)
            if let missing = names.filter({ found[$0] == nil }).min() {
                throw CheckpointError.damaged(
                    path: path(shard), reason: "the tensor \(missing), which \(index) expects in it, is missing")
            }
            for (name, tensor) in found where all.updateValue(tensor, forKey: name) != nil {
                throw CheckpointError.damaged(
                    path: path(shard), reason: "the tensor \(name) is in another of the folder's files too")
            }
        }
        return all
    }

    /// What else lies in the folder.
    private func unread(_ read: [String]) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        return names.filter { !$0.hasPrefix(".") && !Self.known.contains($0) && !read.contains($0) }.sorted()
    }
}
