import Foundation
import W2VBase
import W2VTorch

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
        /// The held-out set that it is of, and ``DataIdentity`` of it; `nil` in states of older versions.
        var name: String?
        var identity: String?
    }

    static let name = "training_state.json"
    static let optimizerName = "optimizer.safetensors"

    static let newestFormat = 1

    var formatVersion = newestFormat
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
    /// The epoch of the last update, if validation after it is still to be done; else `nil`.
    var pendingValidation: Int?
    /// Whether training was complete when this was saved.
    var finished = false
    /// Sub-batches of an update, over all processes.
    var effectiveBatch = 1
    /// Updates that each group of parameters has had.
    var optimizerUpdates: [String: Int] = [:]
    /// The loss scale's state, where losses are scaled.
    var lossScaler: LossScaler.State?
    /// Every key of the recipe.
    var recipe: [String: String]
    /// What was asked for where ``recipe`` has another value, a checkpoint's; `nil` in states of older versions.
    var overridden: [String: String]?
    /// What the recipe's file has where another value was given beside it, as by `--set`; `nil` in states of older versions.
    var replaced: [String: String]?
    /// The checkpoint that the weights were taken from; `nil` for random ones, and in states of older versions.
    var from: String?
    /// Whether fine-tuning began with a new output layer by request; `nil` elsewhere, and in states of older versions.
    var newHead: Bool?
    /// The training manifests, and the held-out ones; `nil` in states of older versions.
    var train: [String]?
    var valid: [String]?
    /// The training data in words: manifests with their counts.
    var data: String
    /// What the training data are; `nil` in states of older versions.
    var dataIdentity: String?
    /// The threads that computed on a CPU; `nil` elsewhere, and in states of older versions.
    var threads: Int?

    func write(to folder: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        // A metric may be infinite where the loss is not.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let json = try encoder.encode(self)
        try AtomicFile.write(to: folder.appendingPathComponent(Self.name)) { try $0.append(json) }
    }

    static func read(_ folder: URL) throws -> TrainingState {
        let url = folder.appendingPathComponent(name)
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw TrainingError.damagedState(path: folder.path, reason: "\(name) is missing or cannot be read")
        }
        struct Version: Decodable { var formatVersion: Int }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        do {
            let version = try decoder.decode(Version.self, from: data).formatVersion
            guard version <= newestFormat else {
                throw TrainingError.damagedState(
                    path: url.path,
                    reason: "a newer version of this program wrote it (format \(version), and this one reads format "
                        + "\(newestFormat)): continue with that version")
            }
            let state = try decoder.decode(TrainingState.self, from: data)
            for (key, value, least) in [
                ("update", state.update, 0), ("epoch", state.epoch, 0), ("position", state.position, 0),
                ("effective_batch", state.effectiveBatch, 1),
            ] where value < least {
                throw TrainingError.damagedState(
                    path: url.path, reason: "\(key) is \(value), and at least \(least) was expected: \(advice)")
            }
            return state
        } catch let error as Swift.DecodingError {
            throw TrainingError.damagedState(path: url.path, reason: "\(words(error)): \(advice)")
        }
    }

    private static let advice = "put it back from a copy, or begin again in another --output"

    /// What is wrong with a state's JSON.
    private static func words(_ error: Swift.DecodingError) -> String {
        func name(_ path: [any CodingKey]) -> String {
            path.map(\.stringValue).joined(separator: ".").replacing(/[A-Z]/) { "_" + $0.output.lowercased() }
        }
        switch error {
        case .keyNotFound(let key, let context): return "\(name(context.codingPath + [key])) is missing in it"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "\(name(context.codingPath)) in it has a value of the wrong kind"
        default: return "it is damaged: it is no JSON, or ends too early"
        }
    }
}

extension TrainingState {
    /// A sentence where a resumed run rounds its sums in another way than until now; `nil` where it does not, or may not.
    ///
    /// - Parameter now: The threads that compute on a CPU; `nil` on a GPU.
    /// - Returns: The sentence.
    func rounding(threads now: Int?) -> String? {
        switch (threads, now) {
        case (let then?, let now?) where then != now:
            "the run has computed with \(then) threads until now and does with \(now) from now on: sums are rounded in another "
                + "way; --threads \(then) gives the same bytes"
        case (.some, nil):
            "the run has computed on a CPU until now and does on a GPU from now on: sums are rounded in another way"
        // States of older versions do not say where they come from.
        case (nil, .some) where train != nil:
            "the run has computed on a GPU until now and does on a CPU from now on: sums are rounded in another way"
        default: nil
        }
    }
}
