import Foundation
import W2VBase
import W2VTorch

/// The progress of a run: with the weights and the optimizer's moments, everything that resuming needs.
///
/// It contains no clock time, so that identical runs save identical files.
struct TrainingState: Codable {
    /// The validation result that the best checkpoint was saved for.
    struct Best: Codable, Equatable {
        var update: Int
        /// `wer` or `loss`.
        var metric: String
        var value: Double
        /// The name of its held-out set, and the set's ``DataIdentity``; `nil` in states of older versions.
        var name: String?
        var identity: String?
    }

    static let name = "training_state.json"
    static let optimizerName = "optimizer.safetensors"

    static let newestFormat = 1

    var formatVersion = newestFormat
    /// Number of updates made.
    var update = 0
    /// The epoch, from 0.
    var epoch = 0
    /// Number of the epoch's sub-batches that have been used.
    var position = 0
    /// The best validation result so far.
    var best: Best?
    /// Sums that have not been logged yet.
    var statistics = Statistics()
    /// The epoch of the last update if validation after it is still pending; otherwise `nil`.
    var pendingValidation: Int?
    /// Whether training was complete when this was saved.
    var finished = false
    /// Number of sub-batches per update, over all processes.
    var effectiveBatch = 1
    /// Number of updates of each parameter group.
    var optimizerUpdates: [String: Int] = [:]
    /// The loss scaler's state, if losses are scaled.
    var lossScaler: LossScaler.State?
    /// Every key of the recipe.
    var recipe: [String: String]
    /// The requested values of keys where ``recipe`` has a checkpoint's; `nil` in states of older versions.
    var overridden: [String: String]?
    /// The values in the recipe's file of keys that were assigned another value; `nil` in states of older versions.
    var replaced: [String: String]?
    /// The checkpoint that the weights were taken from; `nil` for random weights, and in states of older versions.
    var from: String?
    /// Whether fine-tuning started with a new output layer by request; `nil` elsewhere, and in states of older
    /// versions.
    var newHead: Bool?
    /// The training manifests, and the held-out ones; `nil` in states of older versions.
    var train: [String]?
    var valid: [String]?
    /// The training data in words: manifests with their counts.
    var data: String
    /// The training data's ``DataIdentity``; `nil` in states of older versions.
    var dataIdentity: String?
    /// Number of CPU threads used for computing; `nil` elsewhere, and in states of older versions.
    var threads: Int?

    func write(to folder: URL) throws {
        let json = try VersionedJSON.encode(self)
        try AtomicFile.write(to: folder.appendingPathComponent(Self.name)) { try $0.append(json) }
    }

    static func read(_ folder: URL) throws -> TrainingState {
        let url = folder.appendingPathComponent(name)
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw TrainingError.damagedState(path: folder.path, reason: "\(name) is missing or cannot be read")
        }
        do {
            let state = try VersionedJSON.decode(TrainingState.self, from: data, in: url, newest: newestFormat)
            for (key, value, least) in [
                ("update", state.update, 0), ("epoch", state.epoch, 0), ("position", state.position, 0),
                ("effective_batch", state.effectiveBatch, 1),
            ] where value < least {
                throw TrainingError.damagedState(
                    path: url.path, reason: "\(key) is \(value), and at least \(least) was expected", advice: advice)
            }
            return state
        } catch let error as DecodingError {
            throw TrainingError.damagedState(path: url.path, reason: words(error), advice: advice)
        }
    }

    private static let advice: Advice = "put it back from a copy, or start again in \(.otherOutput)"

    /// Describes the problem with a state's JSON.
    private static func words(_ error: DecodingError) -> String {
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
    /// Returns a warning if a resumed run rounds its sums differently than before; `nil` if it does not, or is meant
    /// to.
    ///
    /// - Parameter now: Number of CPU threads used for computing; `nil` on a GPU.
    func rounding(threads now: Int?) -> String? {
        switch (threads, now) {
        case (let then?, let now?) where then != now:
            "the run used \(then) threads until now and uses \(now) from now on, so sums are rounded differently; "
                + "\(Phrase.threads(then)) gives identical bytes"
        case (.some, nil):
            "the run used a CPU until now and uses a GPU from now on, so sums are rounded differently"
        // States of older versions do not record where they come from.
        case (nil, .some) where train != nil:
            "the run used a GPU until now and uses a CPU from now on, so sums are rounded differently"
        default: nil
        }
    }
}
