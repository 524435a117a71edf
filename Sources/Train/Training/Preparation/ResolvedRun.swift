import Logging
import W2VBase
import W2VInterchange

/// What a run goes by, once the command, the run so far and the checkpoint that it starts from have been taken together.
struct ResolvedRun {
    /// The run as it is asked for; a resumed run's recipe and size of updates are filled in.
    private(set) var job: TrainingJob
    /// The recipe, with the architecture of the checkpoint and the division of updates among processes.
    private(set) var recipe: Recipe
    /// The checkpoint whose weights training starts from; `nil` for random ones.
    let origin: Checkpoint?
    /// The make-up of an update.
    let batch: EffectiveBatch

    /// Resolves a run.
    ///
    /// - Parameters:
    ///   - asked: The run as it is asked for.
    ///   - saved: The run so far; `nil` for a new one.
    ///   - processes: The number of processes that train together.
    ///   - logger: Gets what people should know about all this.
    /// - Throws: ``TrainingError``, `CheckpointError`, `ConfigurationError`.
    init(_ asked: TrainingJob, resuming saved: SavedRun?, processes: Int, logger: Logger) throws {
        job = asked
        if let saved { job.recipe = saved.recipe.recipe }
        recipe = job.recipe
        origin = try saved?.weights ?? job.startingCheckpoint()
        if let origin {
            try origin.requireFinite(isResumed: saved != nil)
            recipe = recipe.adoptingArchitecture(of: origin.description)
            if saved == nil {
                let path = origin.url.relativePath
                for note in origin.notes {
                    logger.log(
                        level: note.subject == .use ? .warning : .notice, "\(path): \(note.phrase)",
                        metadata: ["file": "\(path)"])
                }
                for sentence in job.overriddenAssignments(by: recipe, of: origin) { logger.warning("\(sentence)") }
            }
        }
        let division = try UpdateDivision(
            recipe, wanted: job.effectiveBatch, resuming: saved, processes: processes, logger: logger)
        job.effectiveBatch = division.effectiveBatch
        recipe = division.recipe
        batch = EffectiveBatch(recipe, processes: processes)
        try recipe.validate()
        if let other = job.intendedTask, other != job.task {
            logger.warning(
                """
                the recipe seems to be one for \(other.rawValue), and this is \(job.task.rawValue): check \
                \(Phrase.recipeFile)
                """)
        }
        if recipe.optimization.recordSteps, !job.task.recordsSteps {
            logger.warning("optimization.record_steps applies to pre-training only")
        }
    }
}

/// The division of updates among processes, micro-batches and sub-batches, for the size that is wanted.
private struct UpdateDivision {
    /// The sub-batches that an update is to have; `nil` where the recipe's own numbers decide.
    var effectiveBatch: Int?
    /// The recipe with the division.
    var recipe: Recipe

    /// Divides updates so that they have as many sub-batches as is wanted, or as a resumed run has had.
    ///
    /// - Parameters:
    ///   - recipe: The recipe.
    ///   - wanted: The sub-batches that an update is to have; `nil` if the command does not say.
    ///   - saved: The run so far; `nil` for a new one.
    ///   - processes: The number of processes that train together.
    ///   - logger: Gets how the division differs from the recipe's.
    /// - Throws: ``TrainingError/indivisibleUpdate(subBatches:processes:)`` if the processes cannot share what is wanted.
    init(_ recipe: Recipe, wanted: Int?, resuming saved: SavedRun?, processes: Int, logger: Logger) throws {
        self.recipe = recipe
        effectiveBatch = wanted
        let own = EffectiveBatch(recipe, processes: processes)
        if let saved, !saved.recipe.divides, wanted == nil, let kept = own.keeping(saved.state.effectiveBatch) {
            effectiveBatch = kept
            logger.info("an update keeps its \(kept) sub-batches; \(Phrase.effectiveBatch) gives it another number")
        }
        guard let effectiveBatch else { return }
        let batch = try own.making(effectiveBatch)
        if batch.concatenated != recipe.batching.numConcatBatches {
            logger.info(
                """
                batching.num_concat_batches is \(batch.concatenated) in place of \(recipe.batching.numConcatBatches), so \
                that \(processes) \(processes == 1 ? "process makes" : "processes make") an update of \(effectiveBatch) \
                sub-batches
                """)
        }
        self.recipe.batching.numConcatBatches = batch.concatenated
        self.recipe.optimization.updateFreq = batch.accumulated
    }
}
