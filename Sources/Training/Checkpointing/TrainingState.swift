import Foundation
import Torch

/// Where a run is: with the weights and the optimizer's moments, all that resuming needs.
///
/// It holds no clock time, so that equal runs save equal files.
struct TrainingState: Codable {
    /// The validation result that the best checkpoint was saved for.
    struct Best: Codable, Equatable {
        var update: Int
        /// `wer` or `loss`.
        var metric: String
        var value: Double
    }

    static let name = "training_state.json"
    static let optimizerName = "optimizer.safetensors"

    var formatVersion = 1
    /// Updates made.
    var update = 0
    /// The epoch, from 0.
    var epoch = 0
    /// Sub-batches of the epoch that were used.
    var position = 0
    /// The best validation result so far.
    var best: Best?
    /// What is not yet in the log.
    var statistics = Statistics()
    /// Updates that each group of parameters has had.
    var optimizerUpdates: [String: Int] = [:]
    /// Every key of the recipe.
    var recipe: [String: String]
    /// The training data in words: manifests with their counts.
    var data: String

    func write(to folder: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let json = try encoder.encode(self)
        try AtomicFile.write(to: folder.appendingPathComponent(Self.name)) { try $0.append(json) }
    }

    static func read(_ folder: URL) throws -> TrainingState {
        let url = folder.appendingPathComponent(name)
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw TrainingError.damagedState(path: folder.path, reason: "\(name) is missing or cannot be read")
        }
        do {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(TrainingState.self, from: data)
        } catch {
            throw TrainingError.damagedState(path: url.path, reason: "it is not a training state (\(error))")
        }
    }

    /// Keys that may differ when a run is resumed: they do not change what is computed.
    private static let free: Set<String> = [
        "optimization.max_epoch", "data.workers", "data.prefetch", "checkpoint.save_every", "checkpoint.keep_best",
        "logging.log_every", "validation.every", "batching.max_tokens_valid", "batching.batch_size_valid",
    ]

    /// Checks that a run is resumed as it was begun; only more updates may be asked for.
    ///
    /// - Throws: ``TrainingError/recipeChanged(folder:differences:)``, ``TrainingError/dataChanged(folder:then:now:)``.
    func requireSame(recipe now: Recipe, data: String, folder: URL) throws {
        let differences = now.values.sorted { $0.key < $1.key }.compactMap { key, value -> String? in
            let then = recipe[key] ?? "absent"
            guard then != value, !Self.free.contains(key) else { return nil }
            if key == "optimization.max_update", let old = Int(then), now.optimization.maxUpdate >= old { return nil }
            return "\(key): \(then) → \(value)"
        }
        guard differences.isEmpty else {
            throw TrainingError.recipeChanged(folder: folder.path, differences: differences)
        }
        guard self.data == data else {
            throw TrainingError.dataChanged(folder: folder.path, then: self.data, now: data)
        }
    }
}
