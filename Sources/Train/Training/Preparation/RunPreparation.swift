import Logging
import W2VCluster
import W2VKernels
import W2VTorch

/// Everything about a run that is settled before its model is built.
///
/// Each step is a function of what the steps before it have found: the folder, the run so far, the recipe, the recordings,
/// and the state that training starts from.
struct RunPreparation {
    /// The output folder, locked.
    let place: RunPlace
    /// The run so far; `nil` for a new one.
    let saved: SavedRun?
    /// The recipe and the checkpoint that the run goes by.
    let run: ResolvedRun
    /// The recordings.
    let manifests: RunManifests
    /// The state that training starts from.
    let start: StartingState

    /// Settles a run.
    ///
    /// - Parameters:
    ///   - job: The run as it is asked for.
    ///   - cluster: The processes that train together, if there are others.
    ///   - logger: Gets what people should know about all this.
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
