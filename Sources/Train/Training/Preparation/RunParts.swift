import Foundation
import Logging
import W2VBackbone
import W2VBase
import W2VCluster
import W2VCorpus
import W2VInterchange
import W2VObjectives
import W2VTorch

// The parts of a trainer that are built from a run's preparation.

extension RunPreparation {
    /// Builds the task: the model and its objectives.
    ///
    /// - Parameters:
    ///   - shards: The processes among which the optimizer's state is sharded, if it is.
    ///   - logger: Receives what people should know.
    /// - Returns: The task, on the job's device.
    /// - Throws: ``TrainingError``, `CorpusError`, `CheckpointError`.
    func makeTask(shardedOver shards: ProcessGroup?, logger: Logger) throws -> any TrainingTask {
        try run.recipe.masking.validate(channels: run.recipe.model.encoderEmbedDim)
        let task = try run.job.kind.make(self, shards, logger)
        for manifest in manifests.validation {
            do {
                if let sentence = try task.validationPlan(manifest).exclusionSummary(manifest) {
                    logger.warning("\(sentence)\(run.job.kind.exclusion)", metadata: ["file": "\(manifest.name)"])
                }
            } catch CorpusError.nothingLeft(let reason) {
                throw TrainingError.nothingToValidate(list: manifest.name, reason: reason)
            }
        }
        return task
    }

    /// Opens the training data at the run's position.
    ///
    /// - Parameters:
    ///   - task: The task.
    ///   - share: This process's share; `nil` for everything.
    /// - Throws: `CorpusError`; ``TrainingError/damagedState(path:reason:advice:)`` if the position does not exist.
    func makeData(for task: any TrainingTask, share: ProcessShare?) throws -> TrainingData {
        try TrainingData(
            manifests.training, recipe: run.recipe, receptiveField: run.recipe.model.convFeatureLayers.receptiveField,
            leastSamples: task.leastSamples, dictionary: task.dictionary, epoch: start.state.epoch,
            position: start.state.position, share: share ?? .everything,
            saved: saved?.folder.path ?? place.folder.last.path)
    }

    /// Writes the run's record and the resolved recipe, and opens the run's logs.
    ///
    /// - Parameters:
    ///   - metrics: The metrics that the objectives report.
    ///   - processes: Number of processes that train together.
    ///   - logger: Receives what people should know.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func openLog(_ metrics: [Metric], processes: Int, logger: Logger) throws -> RunLog {
        try record(processes: processes)
        let text = run.recipe.yaml
        try AtomicFile.write(to: place.folder.recipe) { try $0.append(Data(text.utf8)) }
        let log = try RunLog(
            place.folder.url, after: start.state.update, repeatsValidation: start.state.pendingValidation != nil,
            recipe: text, metrics: metrics, writesEvents: run.recipe.logging.tensorboard)
        let recipe = run.recipe
        try log.write(
            hyperparameters: recipe.settings.map { ($0.name, HyperparameterValue($0.text(recipe))) },
            update: start.state.update)
        if log.damagedLines > 0 {
            let file = place.folder.url.appendingPathComponent(TrainingLog.name).path
            logger.warning(
                """
                \(file): \(log.damagedLines) damaged lines before its end are left out from now on; training itself is not \
                affected
                """, metadata: ["file": "\(file)"])
        }
        return log
    }
}

extension Watch {
    /// Starts watching a run.
    ///
    /// - Parameters:
    ///   - recipe: The run's recipe.
    ///   - task: The kind of training.
    init(_ recipe: Recipe, _ task: TrainingJob.Kind) {
        let codeBooks = task.codeBooks(recipe)
        self.init(
            recipe.watch, entries: codeBooks.entries, groups: codeBooks.groups,
            warmup: min(recipe.optimization.learningRate.warmupUpdates, 10_000))
    }
}

extension Device {
    /// Measures the operations per second of matrix products in a model's number format.
    ///
    /// - Parameter precision: The recipe's precision.
    func sustainedSpeed(_ precision: Recipe.PrecisionSection) throws -> Double {
        let type = try precision.mode.mode(generation: generation()).dtype
        // Large enough to be near the peak, small enough not to delay the start of a run; CPUs are slow in half
        // precision.
        return try matrixProductSpeed(
            size: self == .cpu ? (type == .float32 ? 1024 : 512) : nil, repetitions: 4, dtype: type)
    }
}
