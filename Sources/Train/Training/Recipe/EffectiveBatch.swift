import Foundation
import W2VAudio
import W2VBase

/// The number of sub-batches in an update, and its factors.
struct EffectiveBatch: Equatable {
    /// Number of processes that train together.
    var processes: Int
    /// Number of sub-batches per forward pass.
    var concatenated: Int
    /// Number of micro-batches whose gradients are accumulated.
    var accumulated: Int
    /// The recipe's intended number; `nil` if it does not specify one.
    var intended: Int?

    init(_ recipe: Recipe, processes: Int = 1) {
        self.processes = processes
        concatenated = recipe.batching.numConcatBatches
        accumulated = recipe.optimization.updateFreq
        intended = recipe.batching.effectiveBatch
    }

    /// Number of sub-batches per update.
    var count: Int { processes * concatenated * accumulated }

    /// Describes the make-up of an update.
    ///
    /// - Parameter samplesPerSubBatch: Mean length of a sub-batch in samples.
    /// - Returns: A clause without a final period.
    func description(samplesPerSubBatch: Double) -> String {
        let hours = samplesPerSubBatch * Double(count) / Double(AudioFile.modelSampleRate) / 3600
        let audio = String(format: hours < 0.095 ? "%.4f" : "%.2f", hours)
        let own = intended.map { $0 == count ? ", as the recipe intends" : " (the recipe intends \($0))" } ?? ""
        return
            "an update takes \(processes) \(processes == 1 ? "process" : "processes") × \(concatenated) concatenated "
            + "× \(accumulated) accumulated = \(count) sub-batches, about \(audio) h of audio\(own)"
    }

    /// A warning if an update differs from the recipe's intention; otherwise `nil`.
    var mismatch: String? {
        guard let intended, intended != count else { return nil }
        let way =
            intended % processes == 0
            ? "\(Phrase.effectiveBatch(of: intended)) gives the recipe's"
            : "choose processes whose number \(intended) is a multiple of"
        return "an update takes \(count) sub-batches, and the recipe's learning rate is meant for \(intended): \(way)"
    }

    /// Returns the effective batch to request for a resumed run if the command requests none.
    ///
    /// - Parameter size: Number of sub-batches per update so far.
    /// - Returns: `size`; `nil` if the update has that size anyway, or the processes cannot share it equally.
    func keeping(_ size: Int) -> Int? { count == size || !size.isMultiple(of: processes) ? nil : size }

    /// Returns the factors of a requested effective batch: at most as many sub-batches per forward pass as now, and
    /// more accumulation.
    ///
    /// - Parameter wanted: Number of sub-batches per update.
    /// - Throws: ``TrainingError/indivisibleUpdate(subBatches:processes:)`` if the processes cannot share it equally.
    func making(_ wanted: Int) throws -> EffectiveBatch {
        guard wanted > 0, wanted % processes == 0 else {
            throw TrainingError.indivisibleUpdate(subBatches: wanted, processes: processes)
        }
        let share = wanted / processes
        var made = self
        made.concatenated = (1...max(1, min(concatenated, share))).last { share % $0 == 0 } ?? 1
        made.accumulated = share / made.concatenated
        return made
    }
}
