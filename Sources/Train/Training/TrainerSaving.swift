import Foundation
import W2VBase

// When the trainer saves, and what it saves if a run fails.

extension Trainer {
    /// Starts saving everything that resuming needs.
    ///
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)`` if the previous save failed.
    func save() throws {
        let start = ContinuousClock.now
        let (saved, isComplete) = (phase.saved(state), phase.isComplete)
        try during(.saving) { try keeper.saveLast(saved, keeps: isComplete) }
        meter.exclude(since: start)
        meter.lastSave = .now
    }

    /// Waits until everything is saved.
    ///
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    func finishSaving() throws {
        let start = ContinuousClock.now
        try keeper.finish()
        meter.exclude(since: start)
    }

    /// Returns whether saving is due after the state's update.
    ///
    /// - Parameter isTime: Whether it is due by the clock.
    func isSaveDue(_ isTime: Bool) -> Bool {
        isFinished || isTime || isDue(recipe.checkpoint.saveEvery) || keeper.isMilestone(state)
    }

    /// Saves the state if the run ends for a reason other than the model: bad data, or a lost process.
    ///
    /// A diverged model is not saved: the previous checkpoint is better.
    ///
    /// - Parameters:
    ///   - failure: The error that ended the run.
    ///   - isKnownToAll: Whether all processes know of it, and save together.
    ///   - isTheModels: Whether the model caused it.
    func saveAfterFailure(_ failure: any Error, isKnownToAll: Bool = false, isTheModels: Bool = false) {
        let isWanted = state.update > 0 && !recipe.checkpoint.noSave
        let isTheModels = isTheModels || (failure as? TrainingError)?.forbidsSaving == true
        guard phase.isSavable, isWanted, !isTheModels, isKnownToAll || !keeper.needsOthers else {
            return keeper.waitForPendingWrite()
        }
        do {
            if keeper.lastSaved != state.update { try save() }
            try finishSaving()
            logger.notice(
                "saved after update \(state.update), before the failure; fix its cause, then \(Phrase.resume)",
                metadata: ["update": .stringConvertible(state.update)])
        } catch {
            logger.error("\(error)")
            keeper.waitForPendingWrite()
        }
    }
}
