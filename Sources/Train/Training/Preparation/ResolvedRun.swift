import Logging
import W2VBase
import W2VInterchange

/// A run's settings, resolved from the command, the saved run and the checkpoint that it starts from.
struct ResolvedRun {
    /// The requested run; a resumed run's recipe and effective batch are filled in.
    private(set) var job: TrainingJob
    /// The recipe, with the checkpoint's architecture and the division of updates among processes.
    private(set) var recipe: Recipe
    /// The checkpoint whose weights training starts from; `nil` for random weights.
    let origin: Checkpoint?
    /// The make-up of an update.
    let batch: EffectiveBatch

    /// Resolves a run.
    ///
    /// - Parameters:
    ///   - asked: The requested run.
    ///   - saved: The saved run; `nil` for a new one.
    ///   - processes: Number of processes that train together.
    ///   - logger: Receives what people should know about the result.
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
        if let other = job.intendedKind, other != job.kind {
            logger.warning(
                """
                the recipe seems to be one for \(other.rawValue), and this is \(job.kind.rawValue): check \
                \(Phrase.recipeFile)
                """)
        }
        if recipe.optimization.recordSteps, !job.kind.recordsSteps {
            logger.warning("optimization.record_steps applies to pre-training only")
        }
    }
}

/// The division of updates among processes, micro-batches and sub-batches for the requested effective batch.
private struct UpdateDivision {
    /// The requested number of sub-batches per update; `nil` if the recipe's own numbers decide.
    var effectiveBatch: Int?
    /// The recipe with the division.
    var recipe: Recipe

    /// Divides updates so that they have the requested number of sub-batches, or a resumed run's.
    ///
    /// - Parameters:
    ///   - recipe: The recipe.
    ///   - wanted: The requested number of sub-batches per update; `nil` if the command does not specify it.
    ///   - saved: The saved run; `nil` for a new one.
    ///   - processes: Number of processes that train together.
    ///   - logger: Receives the difference from the recipe's division.
    /// - Throws: ``TrainingError/indivisibleUpdate(subBatches:processes:)`` if the processes cannot share the update
    ///   equally.
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
