import Foundation
import W2VAudio
import W2VBase

/// How many sub-batches make an update, and how that comes about.
struct EffectiveBatch: Equatable {
    /// Processes that train together.
    var processes: Int
    /// Sub-batches that go through the model at once.
    var concatenated: Int
    /// Micro-batches whose gradients make an update.
    var accumulated: Int
    /// What the recipe means it to be; `nil` where it says nothing.
    var intended: Int?

    init(_ recipe: Recipe, processes: Int = 1) {
        self.processes = processes
        concatenated = recipe.batching.numConcatBatches
        accumulated = recipe.optimization.updateFreq
        intended = recipe.batching.effectiveBatch
    }

    /// Sub-batches of an update.
    var count: Int { processes * concatenated * accumulated }

    /// How an update comes about, in words.
    ///
    /// - Parameter samplesPerSubBatch: The mean length of a sub-batch in samples.
    /// - Returns: A clause without an end.
    func description(samplesPerSubBatch: Double) -> String {
        let hours = samplesPerSubBatch * Double(count) / Double(AudioFile.modelSampleRate) / 3600
        let audio = String(format: hours < 0.095 ? "%.4f" : "%.2f", hours)
        let own = intended.map { $0 == count ? ", as the recipe intends" : " (the recipe intends \($0))" } ?? ""
        return
            "an update takes \(processes) \(processes == 1 ? "process" : "processes") × \(concatenated) concatenated "
            + "× \(accumulated) accumulated = \(count) sub-batches, about \(audio) h of audio\(own)"
    }

    /// A sentence for an update that is not what the recipe means; `nil` if it is.
    var mismatch: String? {
        guard let intended, intended != count else { return nil }
        let way =
            intended % processes == 0
            ? "\(Phrase.effectiveBatch(of: intended)) gives the recipe's"
            : "choose processes whose number \(intended) is a multiple of"
        return "an update takes \(count) sub-batches, and the recipe's learning rate is meant for \(intended): \(way)"
    }

    /// The effective batch of a resumed run where the command asks for none.
    ///
    /// - Parameter size: Sub-batches of an update until now.
    /// - Returns: `size`; `nil` where that comes about by itself, or the processes cannot share it equally.
    func keeping(_ size: Int) -> Int? { count == size || !size.isMultiple(of: processes) ? nil : size }

    /// The same with an effective batch that is wanted: as many sub-batches at once as now or fewer, and more in turn.
    ///
    /// - Parameter wanted: Sub-batches of an update.
    /// - Returns: How it comes about.
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
