import Foundation
import Logging
import W2VBase
import W2VCorpus
import W2VTorch

/// The state that a run starts or continues from.
struct StartingState {
    /// The state: that of the last saved update, with this job's changes.
    private(set) var state: TrainingState
    /// The ``DataIdentity`` of the held-out set that selects the best checkpoint.
    let heldOutIdentity: String

    /// Updates a run's state to this job's settings.
    ///
    /// - Parameters:
    ///   - run: The run.
    ///   - saved: The saved run; `nil` for a new one.
    ///   - manifests: The run's recordings.
    ///   - logger: Receives the changes since the run was last saved.
    /// - Throws: ``TrainingError/recipeChanged(folder:differences:)``, ``TrainingError/dataChanged(folder:then:now:)``.
    init(of run: ResolvedRun, resuming saved: SavedRun?, on manifests: RunManifests, logger: Logger) throws {
        let (summary, identity) = (manifests.summary, DataIdentity(manifests.training).text)
        heldOutIdentity = DataIdentity(manifests.validation[0]).text
        state = saved?.state ?? TrainingState(recipe: [:], data: summary)
        let threads = run.job.device == .cpu ? LibTorch.threads : nil
        if let saved {
            try saved.recipe.requireSameRun(state, data: summary, identity: identity, folder: run.job.output)
            saved.recipe.logChanges(after: state.update, to: logger)
            run.job.warnOfIneffectiveOptions(for: state, logger)
            if state.effectiveBatch != run.batch.count {
                logger.warning(
                    """
                    an update had \(state.effectiveBatch) sub-batches until now and has \(run.batch.count) from now on; \
                    \(Phrase.effectiveBatch(of: state.effectiveBatch)) keeps the former number
                    """)
            }
            if let sentence = state.rounding(threads: threads) { logger.warning("\(sentence)") }
        }
        state.threads = threads
        forgetBestOfAnotherSet(manifests.validation[0], logger)
        run.job.record(into: &state, resolved: run.recipe, isNew: saved == nil)
        (state.data, state.dataIdentity) = (summary, identity)
        state.effectiveBatch = run.batch.count
    }

    /// Forgets the best result of another held-out set, because results of different sets cannot be compared.
    private mutating func forgetBestOfAnotherSet(_ heldOut: Manifest, _ logger: Logger) {
        guard let best = state.best, let then = best.identity, then != heldOutIdentity else { return }
        logger.warning(
            """
            until now \(best.name ?? "another set") chose the best checkpoint (\(best.metric) \(short(best.value)) after \
            update \(best.update)); from now on \(heldOut.name) does, and earlier results no longer count
            """)
        state.best = nil
    }
}

extension TrainingJob {
    /// Records the requested settings in a run's state, so that a resumed run can be compared with it.
    ///
    /// - Parameters:
    ///   - state: The run's state.
    ///   - resolved: The run's recipe, with its checkpoint's architecture.
    ///   - isNew: Whether the run is new.
    fileprivate func record(into state: inout TrainingState, resolved: Recipe, isNew: Bool) {
        let (asked, written) = (recipe.values, (writtenRecipe ?? recipe).values)
        state.recipe = resolved.values
        state.overridden = asked.filter { state.recipe[$0.key] != $0.value }
        state.replaced = written.filter { asked[$0.key] != $0.value }
        (state.train, state.valid) = (train.map(\.description), valid.map(\.description))
        guard isNew else { return }
        state.from = from?.path
        state.newHead = kind.readsLabels ? newHead : nil
    }

    /// Warns about options of a resumed run that only affect a new one.
    fileprivate func warnOfIneffectiveOptions(for state: TrainingState, _ logger: Logger) {
        if let from, state.train != nil, from.path != state.from {
            let weights = state.from.map { "the weights of \($0)" } ?? "random weights"
            logger.warning(
                "\(Phrase.startingCheckpoint) \(from.path) has no effect: this run has begun, with \(weights)")
        }
        if newHead, state.newHead == false {
            logger.warning(
                """
                \(Phrase.newHead) has no effect: this run began without it, and continues with its own output layer; \
                start in \(Phrase.otherOutput)
                """)
        }
    }
}
