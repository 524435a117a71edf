import Logging
import W2VCluster
import W2VKernels
import W2VTorch

/// Everything about a run that is determined before its model is built.
///
/// Each step is a function of the results of the steps before: the folder, the saved run, the recipe, the recordings,
/// and the initial state.
struct RunPreparation {
    /// The output folder, locked.
    let place: RunPlace
    /// The saved run; `nil` for a new one.
    let saved: SavedRun?
    /// The resolved recipe and starting checkpoint.
    let run: ResolvedRun
    /// The recordings.
    let manifests: RunManifests
    /// The state that training starts from.
    let start: StartingState

    /// Prepares a run.
    ///
    /// - Parameters:
    ///   - job: The requested run.
    ///   - cluster: The processes that train together, if there are several.
    ///   - logger: Receives what people should know.
    /// - Throws: ``TrainingError``, `CorpusError`, `CheckpointError`, `ConfigurationError`.
    init(_ job: TrainingJob, among cluster: Cluster?, logger: Logger) throws {
        guard !job.train.isEmpty, !job.valid.isEmpty else {
            throw TrainingError.noLists
        }
        try job.device.prepare()
        place = try RunPlace.claim(for: job, among: cluster)
        saved = try SavedRun.read(from: place, for: job)
        run = try ResolvedRun(job, resuming: saved, processes: cluster?.size ?? 1, logger: logger)
        manifests = try RunManifests(for: run, isResumed: saved != nil, among: cluster)
        start = try StartingState(of: run, resuming: saved, on: manifests, logger: logger)
    }
}
