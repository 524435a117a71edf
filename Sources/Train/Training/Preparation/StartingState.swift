import Foundation
import W2VBase
import W2VCorpus
import W2VTorch

/// The state that a run starts or continues from, and what is to be said about it.
struct StartingState {
    /// The state: that of the last saved update, with what this job changes.
    private(set) var state: TrainingState
    /// ``DataIdentity`` of the held-out set that chooses the best checkpoint.
    let heldOutIdentity: String
    /// Lines for people about changes since the run was last saved.
    private(set) var lines: [String] = []

    /// Brings the state of a run up to what this job trains with.
    ///
    /// - Parameters:
    ///   - run: The run.
    ///   - saved: The run so far; `nil` for a new one.
    ///   - manifests: The run's recordings.
    /// - Throws: ``TrainingError/recipeChanged(folder:differences:)``, ``TrainingError/dataChanged(folder:then:now:)``.
    init(of run: ResolvedRun, resuming saved: SavedRun?, on manifests: RunManifests) throws {
        let (summary, identity) = (manifests.summary, DataIdentity(manifests.training).text)
        heldOutIdentity = DataIdentity(manifests.validation[0]).text
        state = saved?.state ?? TrainingState(recipe: [:], data: summary)
        let threads = run.job.device == .cpu ? LibTorch.threads : nil
        if let saved {
            try saved.recipe.requireSameRun(state, data: summary, identity: identity, folder: run.job.output)
            lines += saved.recipe.changeLines(after: state.update) + run.job.ineffectiveOptions(for: state)
            if state.effectiveBatch != run.batch.count {
                lines.append(
                    "WARNING: an update had \(state.effectiveBatch) sub-batches until now and has \(run.batch.count) from "
                        + "now on; \(Phrase.effectiveBatch(of: state.effectiveBatch)) keeps the former number")
            }
            if let sentence = state.rounding(threads: threads) { lines.append("WARNING: \(sentence)") }
        }
        state.threads = threads
        forgetBestOfAnotherSet(manifests.validation[0])
        run.job.record(into: &state, resolved: run.recipe, isNew: saved == nil)
        (state.data, state.dataIdentity) = (summary, identity)
        state.effectiveBatch = run.batch.count
    }

    /// Results of different held-out sets cannot be compared.
    private mutating func forgetBestOfAnotherSet(_ heldOut: Manifest) {
        guard let best = state.best, let then = best.identity, then != heldOutIdentity else { return }
        lines.append(
            "WARNING: until now \(best.name ?? "another set") chose the best checkpoint (\(best.metric) "
                + "\(short(best.value)) after update \(best.update)); from now on \(heldOut.name) does, and earlier "
                + "results no longer count")
        state.best = nil
    }
}

extension TrainingJob {
    /// Records what is asked for in a run's state, so that a resumed run can be compared with it.
    ///
    /// - Parameters:
    ///   - state: The run's state.
    ///   - resolved: The recipe that the run goes by, with its checkpoint's architecture.
    ///   - isNew: Whether the run starts.
    fileprivate func record(into state: inout TrainingState, resolved: Recipe, isNew: Bool) {
        let (asked, written) = (recipe.values, (writtenRecipe ?? recipe).values)
        state.recipe = resolved.values
        state.overridden = asked.filter { state.recipe[$0.key] != $0.value }
        state.replaced = written.filter { asked[$0.key] != $0.value }
        (state.train, state.valid) = (train.map(\.description), valid.map(\.description))
        guard isNew else { return }
        state.from = from?.path
        state.newHead = task.readsLabels ? newHead : nil
    }

    /// Lines about options of a resumed run that have an effect only when a run starts.
    ///
    /// - Parameter state: The run's state.
    /// - Returns: A line for each.
    fileprivate func ineffectiveOptions(for state: TrainingState) -> [String] {
        var lines: [String] = []
        if let from, state.train != nil, from.path != state.from {
            lines.append(
                "WARNING: \(Phrase.startingCheckpoint) \(from.path) has no effect: this run has begun, "
                    + (state.from.map { "with the weights of \($0)" } ?? "with random weights"))
        }
        if newHead, state.newHead == false {
            lines.append(
                "WARNING: \(Phrase.newHead) has no effect: this run began without it, and continues with its own output layer; "
                    + "start in \(Phrase.otherOutput)")
        }
        return lines
    }
}
