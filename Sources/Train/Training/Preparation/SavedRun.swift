import Foundation
import W2VInterchange

/// A run that an earlier job saved, and the recipe that it continues with.
struct SavedRun {
    /// The folder of the state.
    let folder: URL
    /// The weights, still on disk.
    let weights: Checkpoint
    /// The state after the last saved update.
    let state: TrainingState
    /// The recipe that the run continues with.
    let recipe: ResumedRecipe

    /// Reads the saved run that a job resumes.
    ///
    /// - Parameters:
    ///   - place: The run's folder.
    ///   - job: The requested run.
    /// - Returns: The saved run; `nil` for a new one.
    /// - Throws: ``TrainingError`` for a damaged state or a run of another kind.
    static func read(from place: RunPlace, for job: TrainingJob) throws -> SavedRun? {
        guard let last = place.lastState else { return nil }
        let (weights, state) = try place.folder.read(last)
        try job.requireSameKind(as: weights.description)
        return SavedRun(folder: last, weights: weights, state: state, recipe: try ResumedRecipe(state, job))
    }
}

extension TrainingJob {
    /// Refuses to continue a run of another kind.
    ///
    /// - Parameter description: The model in the run's checkpoint.
    /// - Throws: ``TrainingError/otherTask(folder:task:command:)``.
    fileprivate func requireSameKind(as description: ModelDescription) throws {
        guard description.task != kind.model, let found = Kind.all.first(where: { $0.model == description.task }) else {
            return
        }
        throw TrainingError.otherTask(folder: output.path, task: found.phrase, command: found.command)
    }
}
