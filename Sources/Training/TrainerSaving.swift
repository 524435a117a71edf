import Foundation

// When the trainer saves, and what it saves where a run ends before its time.

extension Trainer {
    /// Begins to save everything that resuming needs.
    func save() throws {
        let start = ContinuousClock.now
        if state.pendingValidation == nil {
            try keeper.saveLast(&state)
        } else {
            // Not yet what this update's state will be in the end.
            var unfinished = state
            (unfinished.finished, unfinished.best) = (false, bestBefore)
            try keeper.saveLast(&unfinished, keeps: false)
        }
        meter.exclude(since: start)
        meter.lastSave = .now
    }

    /// Waits until everything is saved.
    func finishSaving() throws {
        let start = ContinuousClock.now
        try keeper.finish()
        meter.exclude(since: start)
    }

    func saveIfDue(endsEpoch: Bool, clock: Bool = false) throws {
        let saves = clock || isDue(recipe.checkpoint.saveEvery, endsEpoch)
        if isFinished || saves || keeper.isMilestone(state) { try save() }
    }

    /// Validates; if this fails, the state is that before it, with a note that it is still to be done.
    func validateWhole(epoch: Int) throws {
        bestBefore = state.best
        state.pendingValidation = epoch
        do {
            try validate(epoch: epoch)
        } catch {
            state.best = bestBefore
            throw error
        }
        state.pendingValidation = nil
    }

    func isDue(_ interval: Interval?, _ endsEpoch: Bool) -> Bool {
        switch interval {
        case .updates(let count): state.update % count == 0
        case .epochs(let count): endsEpoch && state.epoch % count == 0
        case .minutes, nil: false
        }
    }

    /// Saves the state where something else than the model ends the run: bad data, or a process that is gone.
    ///
    /// A model that diverged is not saved: what was saved before is better.
    func rescue(after failure: any Error, isKnownToAll: Bool = false, isTheModels: Bool = false) {
        let isWhole = makeUpdate.lastChange <= state.update
        let isWanted = state.update > 0 && !recipe.checkpoint.noSave
        let isTheModels = isTheModels || (failure as? TrainingError)?.forbidsSaving == true
        guard isWhole, isWanted, !isTheModels, isKnownToAll || !keeper.needsOthers else { return keeper.leave() }
        do {
            if keeper.lastSaved != state.update { try save() }
            try finishSaving()
            report(
                "saved after update \(state.update), before what failed; go on with --resume when that is mended")
        } catch {
            report("WARNING: \(error)")
            keeper.leave()
        }
    }
}
