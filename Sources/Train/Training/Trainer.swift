import Foundation
import Logging
import W2VBackbone
import W2VBase
import W2VCluster
import W2VCorpus
import W2VInterchange
import W2VTorch

/// The way a run ended.
public enum TrainingOutcome: Sendable, Equatable {
    /// All updates are done.
    case finished
    /// The epochs of this job are done; everything is saved, and more are to come.
    case paused
    /// A signal asked to stop; everything is saved.
    case stopped(signal: Int32)
}

/// Trains a model: the loop, with logging, validation and saving.
///
/// Everything runs on the calling thread, except that other threads decode audio, prepare micro-batches for a GPU, and
/// write checkpoints.
public final class Trainer {
    let recipe: Recipe
    let task: any TrainingTask
    let data: TrainingData
    let trainStep: UpdateStep
    let heldOut: HeldOutSets
    let keeper: CheckpointKeeper
    let log: RunLog?
    let cluster: Cluster?
    let logger: Logger
    var meter: Meter
    private(set) var state: TrainingState
    private(set) var phase: TrainerPhase
    private var watch: Watch
    private let progress: (String, Double) -> Void
    private let messages: RunMessages
    private let lastEpochOfJob: Int?
    /// Whether it has warned that recorded steps are hardly ever replayed.
    var hasWarnedOfShapes = false
    private let lock: RunLock?

    /// Runs the training loop: rate, update, log, validate, save.
    ///
    /// - Parameter stop: Polled after every micro-batch for the signal that asks the run to stop.
    /// - Returns: The way the run ended.
    /// - Throws: ``TrainingError``, or an error of the data or the model; earlier checkpoints stay.
    public func run(stop: () -> Int32? = { nil }) throws -> TrainingOutcome {
        do {
            return try train(stop: stop)
        } catch let validation as ValidationFailure {
            saveAfterFailure(validation.failure, isKnownToAll: true, isTheModels: validation.isTheModels)
            messages.append("\(validation.failure)", level: .error)
            throw validation.failure
        } catch {
            saveAfterFailure(error)
            messages.append("\(error)", level: .error)
            throw error
        }
    }

    private func train(stop: () -> Int32?) throws -> TrainingOutcome {
        try completeValidation()
        let options = recipe.optimization
        while !isFinished {
            let update = state.update + 1
            cluster?.noteProgress(update: update)
            let rate = options.learningRate.rate(update: update, maxUpdate: options.maxUpdate)
            var signal: Int32?
            let sums = try trainStep(
                update, learningRate: rate, keepsGradients: showsGradients(of: update), mayBeginNext: true,
                changesModel: { phase = $0 ? .updating : .training }
            ) {
                signal = stop()
                return signal != nil
            }
            // An interrupted update has changed nothing: the state is still that after the previous one.
            if let sums {
                // `due` is the same in all processes: a signal that any of them received, and whether validation or saving
                // is due by the leader's clock.
                let due = try agree(cluster == nil ? nil : stop())
                let epoch = data.epoch
                try count(sums, update: update)
                try logUpdate(sums, epoch: epoch, rate: rate)
                if isFinished || due.validation || isDue(recipe.validation.every) { try runValidation(epoch: epoch) }
                if isSaveDue(due.save) { try save() }
                signal = due.signal
            }
            // Several processes stop only by agreement, above.
            if let signal = signal ?? (cluster == nil ? stop() : nil) { return try end(.stopped(signal: signal)) }
            if let lastEpochOfJob, state.epoch >= lastEpochOfJob, !isFinished { return try end(.paused) }
        }
        return try end(.finished)
    }

    /// Completes the validation that an earlier job left pending, if any.
    private func completeValidation() throws {
        guard case .validating(let epoch, _) = phase else { return }
        phase = .training
        state.finished = isFinished
        try runValidation(epoch: epoch)
        if isSaveDue(false) { try save() }
    }

    /// Saves, and logs the way the run ended.
    private func end(_ outcome: TrainingOutcome) throws -> TrainingOutcome {
        phase = .stopping(outcome)
        // A finished run has a saved state, whatever its recipe says.
        if outcome != .finished || keeper.lastSaved == nil { try save() }
        try finishSaving()
        let advice =
            recipe.checkpoint.noSave
            ? "checkpoint.no_save is set, and nothing is saved" : Phrase.resume.description
        let update: Logger.Metadata = ["update": .stringConvertible(state.update)]
        switch outcome {
        case .stopped(let signal):
            // A scheduler may end the whole job as soon as one process has exited with a signal's code.
            try cluster?.group.barrier()
            logger.notice("stopped by signal \(signal) after update \(state.update); \(advice)", metadata: update)
        case .paused:
            logger.notice(
                "this job's epochs are done, and update \(state.update) was its last; \(advice)", metadata: update)
        case .finished:
            try writeBenchmark()
            logger.notice(
                "finished after update \(state.update) in \(ReadableText.duration(meter.totalSeconds))",
                metadata: update)
            for sentence in conclusion { logger.notice("\(sentence)", metadata: update) }
        }
        return outcome
    }

    /// Runs a part of training in a phase of its own, which remains set if it fails.
    func during(_ next: TrainerPhase, _ body: () throws -> Void) rethrows {
        let before = phase
        phase = next
        try body()
        phase = before
    }

    /// Advances the state to the update that has been made, so that model and state match again.
    private func count(_ sums: Statistics, update: Int) throws {
        try keeper.checkForFailure()
        meter.count(sums, waitSeconds: trainStep.waitSeconds)
        if data.isEpochFinished {
            try data.beginNextEpoch()
            meter.endEpoch()
        }
        state.update = update
        state.epoch = data.epoch
        state.position = data.position
        state.finished = isFinished
        state.statistics += sums
        phase = .training
    }

    /// Warns, logs and shows the progress after an update.
    private func logUpdate(_ sums: Statistics, epoch: Int, rate: Double) throws {
        let update = state.update
        for warning in watch.look(at: update, sums) { try warn(warning) }
        warnOfShapes()
        if showsGradients(of: update) { try writeHistograms() }
        if update % recipe.logging.logEvery == 0 || isFinished {
            try writeLog(epoch: epoch, rate: rate)
            state.statistics = Statistics()
        }
        let perUpdate = meter.secondsPerUpdate ?? 0
        progress(
            liveLine(
                update: update, of: recipe.optimization.maxUpdate, secondsPerUpdate: perUpdate,
                remaining: perUpdate * Double(remainingUpdates)),
            Double(update) / Double(update + remainingUpdates))
    }

    /// Returns whether the gradients of an update are written as histograms.
    private func showsGradients(of update: Int) -> Bool {
        recipe.logging.histogramEvery.map { update % $0 == 0 } ?? false
    }

    /// Remembers the best validation result so far.
    func remember(_ best: TrainingState.Best) { state.best = best }

    // MARK: Intervals

    var isFinished: Bool {
        state.update >= recipe.optimization.maxUpdate || recipe.optimization.maxEpoch.map { state.epoch >= $0 } ?? false
    }

    /// Returns whether an interval of updates or epochs ends with the state's update.
    func isDue(_ interval: Interval?) -> Bool {
        switch interval {
        case .updates(let count): state.update % count == 0
        case .epochs(let count): state.position == 0 && state.epoch % count == 0
        case .minutes, nil: false
        }
    }

    /// Agrees with the other processes on what is due after an update: clocks and signals differ between processes, but
    /// all must do the same.
    ///
    /// - Parameter signal: The signal that asks this process to stop, if any.
    /// - Returns: The first process's signal, and whether validation and saving are due by the leader's clock.
    ///   Intervals in updates or epochs need no agreement; see ``isDue(_:)``.
    /// - Throws: `TorchError.communication` if a process is gone.
    private func agree(_ signal: Int32?) throws -> (signal: Int32?, validation: Bool, save: Bool) {
        let validation = hasPassed(recipe.validation.every, since: meter.lastValidation)
        let save = hasPassed(recipe.checkpoint.saveEvery, since: meter.lastSave)
        guard let cluster else { return (signal, validation, save) }
        let all = try cluster.exchange([Double(signal ?? 0), validation ? 1 : 0, save ? 1 : 0])
        let first = all.first { $0[0] > 0 }.map { Int32($0[0]) }
        return (first, all[0][1] > 0, all[0][2] > 0)
    }

    private func hasPassed(_ interval: Interval?, since last: ContinuousClock.Instant) -> Bool {
        guard case .minutes(let minutes) = interval else { return false }
        return (ContinuousClock.now - last).inSeconds >= minutes * 60
    }

    /// Number of updates until the end, by number or by epochs, whichever comes first.
    var remainingUpdates: Int {
        let byNumber = max(0, recipe.optimization.maxUpdate - state.update)
        guard let epochs = recipe.optimization.maxEpoch else { return byNumber }
        let position = Double(state.epoch) + Double(state.position) / Double(max(1, data.subBatchesPerEpoch))
        return min(byNumber, Int((max(0, Double(epochs) - position) * updatesPerEpoch).rounded(.up)))
    }

    /// Number of updates per epoch, the last of which may be smaller than the others.
    var updatesPerEpoch: Double {
        let size = EffectiveBatch(recipe, processes: cluster?.size ?? 1).count
        return Double((data.subBatchesPerEpoch + size - 1) / size)
    }

    // MARK: Setting up

    /// Reads the data, builds or restores the model, and prepares for ``run(stop:)``.
    ///
    /// - Parameters:
    ///   - job: The run.
    ///   - cluster: The processes that train together, if there are several; each makes a trainer of the same job.
    ///   - logger: Receives the messages of one process: updates at `info`, with the measured values as metadata under
    ///     the names of `metrics.jsonl`; warnings; details at `debug`.
    ///   - progress: Receives a progress line after every update, for a single line of a terminal, and the share of the
    ///     run that is done, from 0 to 1.
    /// - Throws: ``TrainingError``, `CorpusError`, `CheckpointError`, `ConfigurationError`.
    public init(
        _ job: TrainingJob, among cluster: Cluster? = nil,
        logger: Logger = Logger(label: "wav2vec2.training") { _ in SwiftLogNoOpLogHandler() },
        progress: @escaping (String, Double) -> Void = { _, _ in }
    ) throws {
        let isLeader = cluster?.isLeader ?? true
        let messages = RunMessages()
        let logger =
            isLeader
            ? RunMessageHandler.keeping(messages, of: logger)
            : Logger(label: logger.label) { _ in SwiftLogNoOpLogHandler() }
        let prepared = try RunPreparation(job, among: cluster, logger: logger)
        if isLeader, !job.isDryRun { try messages.open(in: prepared.place.folder.url) }
        let recipe = prepared.run.recipe
        let state = prepared.start.state
        let tensors = try cluster.map { try $0.group(on: recipe.distributed.backend == .gloo ? .cpu : job.device) }
        let sharding = recipe.distributed.zeroSharding ? cluster.flatMap { $0.size > 1 ? $0 : nil } : nil
        task = try prepared.makeTask(shardedOver: sharding == nil ? nil : tensors, logger: logger)
        data = try prepared.makeData(for: task, share: cluster.map { ProcessShare(rank: $0.rank, size: $0.size) })
        trainStep = try UpdateStep(task, data, recipe, cluster: cluster, over: tensors, logger: logger)
        if let saved = prepared.saved { try trainStep.restore(saved.state, from: saved.folder) }
        keeper = CheckpointKeeper(
            prepared.place.folder, recipe.checkpoint, trainStep,
            try sharding.map { .shares(try $0.makeGroup("checkpoints")) } ?? (isLeader ? .writes : .none),
            lastSaved: prepared.saved?.state.update, logger: logger)
        heldOut = HeldOutSets(manifests: prepared.manifests.validation, identity: prepared.start.heldOutIdentity)
        watch = Watch(recipe, job.kind)
        log =
            job.isDryRun || !isLeader
            ? nil
            : try prepared.openLog(
                task.metrics, processes: cluster?.size ?? 1, logger: logger)
        let peak = try recipe.logging.utilisation ? job.device.sustainedSpeed(recipe.precision) : nil
        meter = Meter(
            earlierSeconds: log?.earlierSeconds ?? 0, peak: peak.map { $0 * Double(cluster?.size ?? 1) },
            benchmarkEpochs: recipe.logging.benchmarkEpochsNum)
        lastEpochOfJob = job.epochsThisJob.map { state.epoch + $0 }
        lock = prepared.place.lock
        phase = TrainerPhase(of: state)
        (self.recipe, self.state, self.cluster) = (recipe, state, cluster)
        // From now on the phase records it.
        self.state.pendingValidation = nil
        (self.logger, self.progress, self.messages) = (logger, isLeader ? progress : { _, _ in }, messages)
        // The run may have been killed between saving the last state and keeping it.
        if prepared.saved != nil, phase.isComplete, isLeader, !job.isDryRun { try keeper.prune(state) }
        introduce(prepared.run, peak: peak)
    }
}
