import Foundation
import W2VBase
import W2VTorch

/// The files of a Hugging Face folder.
struct HuggingFaceFolder: Sendable {
    /// The folder.
    let url: URL

    /// Files that are read, or that do not matter for the model.
    private static let known: Set<String> = [
        "config.json", "preprocessor_config.json", "processor_config.json", "vocab.json", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json", "tokenizer.json", "README.md", "LICENSE",
    ]
    /// The weights' files, of which the first one found is read; an index lists the shards.
    private static let weights = ["model.safetensors", "pytorch_model.bin"]
    /// An upper bound that no configuration or vocabulary comes near.
    private static let largestJSON = 64 << 20

    /// Returns a file's path, for errors.
    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    /// Returns a JSON object of the folder; nil if there is no such file.
    ///
    /// - Throws: ``CheckpointError/damaged(path:reason:)`` for anything but a JSON object.
    func object(_ name: String) throws -> JSONObject? {
        let path = path(name)
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int ?? 0
        guard size <= Self.largestJSON else {
            throw CheckpointError.damaged(path: path, reason: "\(size) bytes are no configuration")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CheckpointError.damaged(path: path, reason: "it cannot be read")
        }
        let reason: String
        do {
            if let object = try JSONParser.value(data).object { return object }
            reason = "it holds something else"
        } catch let error as UTF8Text.Invalid {
            throw CheckpointError.damaged(path: path, reason: "\(error)")
        } catch {
            reason = "\(error)"
        }
        throw CheckpointError.damaged(path: path, reason: "it is not a JSON object (\(reason))")
    }

    /// Returns a setting that is true or false: null is false, and so is 0, as in Python.
    ///
    /// - Parameter fallback: The value if there is no such key.
    /// - Throws: ``CheckpointError/damaged(path:reason:)`` for a value of another type.
    static func flag(_ settings: JSONObject, _ key: String, default fallback: Bool, path: String) throws -> Bool {
        guard let value = settings[key] else { return fallback }
        if value == .null { return false }
        if let flag = value.bool { return flag }
        if let number = value.double { return number != 0 }
        throw CheckpointError.damaged(
            path: path, reason: "\(key) is \(value.excerpt), where true or false is expected")
    }

    /// Returns the weights by their names, from all their files.
    ///
    /// - Returns: The tensors, on disk until they are used, and notes about files that were not read.
    /// - Throws: ``CheckpointError`` naming the file that is missing or damaged, or a safetensors error.
    func weights() throws -> (tensors: [String: Tensor], unread: [CheckpointNote]) {
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
        try LargeFilePointer.refuse(file)
        guard name.hasSuffix(".bin") else { return try TensorFile.read(file) }
        let saved = try PyTorchFile(file)
        return try saved.tensors(saved.root, "its dictionary")
    }

    /// Returns the names of each shard's tensors.
    private func shards(_ root: JSONObject, _ index: String) throws -> [String: [String]] {
        func damaged(_ reason: String) -> CheckpointError { .damaged(path: path(index), reason: reason) }
        guard case .object(let map)? = root["weight_map"], !map.isEmpty else {
            throw damaged("it has no weight_map, an object from tensor to file")
        }
        var shards: [String: [String]] = [:]
        for (tensor, value) in map {
            guard let shard = value.string else {
                throw damaged("\(tensor.printable) is in \(value.excerpt), where a file's name is expected")
            }
            // A name must not lead out of the folder.
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

    // MARK: Other files

    /// Returns notes on the folder's other files.
    private func unread(_ read: [String]) -> [CheckpointNote] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        let model = languageModel() ?? missingLanguageModel()
        let parts = model == nil ? [] : [Self.languageModelName, "alphabet.json"]
        let others = names.filter {
            !$0.hasPrefix(".") && !Self.known.contains($0) && !(read + parts).contains($0)
        }
        return (model.map { [$0] } ?? [])
            + others.sorted().map { name in
                if Self.languageModelEndings.contains(where: name.hasSuffix) {
                    let options = Phrase.languageModel(shellWord(url.appendingPathComponent(name)))
                    return CheckpointNote(
                        "\(name.printable): a language model, used only where it is given: \(options)", .languageModel)
                }
                // Files of the peft library: Transformers applies them if it is installed.
                return name.hasPrefix("adapter_model.") || name == "adapter_config.json"
                    ? CheckpointNote("\(name): an adapter that is not applied; merge it into the weights first")
                    : CheckpointNote("\(name.printable): a file that is not read", .conversion)
            }
    }

    private static let languageModelName = "language_model"
    /// Extensions that only KenLM's and ARPA files have.
    private static let languageModelEndings = [".arpa", ".arpa.gz", ".klm"]

    /// Returns a path as it can be typed in a shell.
    private func shellWord(_ file: URL) -> String {
        let path = file.relativePath
        let isPlain = path.unicodeScalars.allSatisfy { scalar in
            !scalar.isASCII || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                || "/._-+=:,@%".unicodeScalars.contains(scalar)
        }
        return isPlain ? path : "'" + path.replacing("'", with: "'\\''") + "'"
    }

    /// Returns a note if the language model of a `Wav2Vec2ProcessorWithLM` is missing.
    private func missingLanguageModel() -> CheckpointNote? {
        let files = ["processor_config.json", "preprocessor_config.json", "tokenizer_config.json"]
        for name in files where (try? object(name))??["processor_class"]?.string == "Wav2Vec2ProcessorWithLM" {
            return CheckpointNote(
                "\(name): its Wav2Vec2ProcessorWithLM decodes with a language model, but the folder "
                    + "\(Self.languageModelName) is missing: fetch it too, and \(Phrase.giveLanguageModel)",
                .languageModel
            )
        }
        return nil
    }

    /// Returns a note on the language model of a `Wav2Vec2ProcessorWithLM`, as pyctcdecode saves it.
    private func languageModel() -> CheckpointNote? {
        let folder = url.appendingPathComponent(Self.languageModelName)
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path) else { return nil }
        let endings = Self.languageModelEndings + [".bin", ".binary", ".lm", ".trie"]
        guard let name = names.sorted().first(where: { name in endings.contains { name.hasSuffix($0) } }) else {
            return CheckpointNote("\(Self.languageModelName): a language model that is not used", .languageModel)
        }
        var options = [Phrase.languageModel(shellWord(folder.appendingPathComponent(name)))]
        if names.contains("unigrams.txt") {
            options.append(.lexicon(shellWord(folder.appendingPathComponent("unigrams.txt"))))
        }
        let weights = (try? HuggingFaceFolder(url: folder).object("attrs.json")) ?? nil
        for key in ["alpha", "beta"] {
            if let weight = weights?[key]?.double { options.append(.decoderWeight(key, weight)) }
        }
        return CheckpointNote(
            "\(Self.languageModelName)/\(name): a language model, used only where it is given: "
                + options.map(\.description).joined(separator: " "),
            .languageModel)
    }
}
