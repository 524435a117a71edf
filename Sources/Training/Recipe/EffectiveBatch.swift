import Foundation

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
        let hours = samplesPerSubBatch * Double(count) / 16_000 / 3600
        let audio = String(format: hours < 0.095 ? "%.4f" : "%.2f", hours)
        let own = intended.map { $0 == count ? ", as the recipe means it" : " (the recipe means \($0))" } ?? ""
        return
            "an update takes \(processes) \(processes == 1 ? "process" : "processes") × \(concatenated) concatenated "
            + "× \(accumulated) accumulated = \(count) sub-batches, about \(audio) h of audio\(own)"
    }

    /// A sentence for an update that is not what the recipe means; `nil` if it is.
    var mismatch: String? {
        guard let intended, intended != count else { return nil }
        let other = processes * concatenated
        let way =
            intended % other == 0
            ? "optimization.update_freq=\(intended / other) gives the recipe's"
            : "choose batching.num_concat_batches so that \(intended) is a multiple of processes × num_concat_batches"
        return "an update takes \(count) sub-batches, and the recipe's learning rate is meant for \(intended): \(way)"
    }

    /// The accumulation that gives an effective batch.
    ///
    /// - Parameter wanted: Sub-batches of an update.
    /// - Returns: `update_freq`.
    /// - Throws: ``TrainingError/usage(_:)`` if no whole number does.
    func updateFreq(for wanted: Int) throws -> Int {
        let other = processes * concatenated
        guard wanted > 0, wanted % other == 0 else {
            let multiples = [wanted / other * other, (wanted / other + 1) * other].filter { $0 > 0 }
            throw TrainingError.usage(
                "an effective batch of \(wanted) sub-batches cannot be made of \(processes) "
                    + "\(processes == 1 ? "process" : "processes") × \(concatenated) concatenated sub-batches: choose "
                    + "\(multiples.map(String.init).joined(separator: " or ")), or another batching.num_concat_batches")
        }
        return wanted / other
    }
}
