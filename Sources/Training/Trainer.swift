import Cluster
import Corpus
import Foundation
import Interchange
import Kernels
import Objectives
import Torch
import Wav2Vec2

/// How a run ended.
public enum TrainingOutcome: Sendable, Equatable {
    /// All updates are made.
    case finished
    /// The epochs of this job are made; everything is saved, and there is more to do.
    case paused
    /// A signal asked to stop; everything is saved.
    case stopped(signal: Int32)
}

/// Trains a model: the loop, and when it logs, validates and saves.
///
/// Everything runs on the calling thread; only audio is decoded on others.
public final class Trainer {
    let recipe: Recipe
    let task: any TrainingTask
    let data: TrainingData
    let makeUpdate: UpdateStep
    let validation: [Manifest]
    /// ``DataIdentity`` of the held-out set that chooses the best.
    let heldOutIdentity: String
    let keeper: CheckpointKeeper
    let log: RunLog?
    let cluster: Cluster?
    let report: (String) -> Void
    let progress: (String) -> Void
    var state: TrainingState
    var meter: Meter
    private var watch: Watch
    /// The best result before the validation that is under way.
    var bestBefore: TrainingState.Best?
    private let lastEpochOfJob: Int?
    private let lock: RunLock?

    /// The training loop: rate, update, log, validate, save.
    ///
    /// - Parameter stop: Asked after every micro-batch for the signal that wants the run to stop.
    /// - Returns: Whether all updates are made.
    /// - Throws: ``TrainingError``, or what the data or the model threw; what was saved before stays.
    public func run(stop: () -> Int32? = { nil }) throws -> TrainingOutcome {
        do {
            return try train(stop: stop)
        } catch let failure as ValidationFailure {
            rescue(after: failure.cause, isKnownToAll: true, isTheModels: failure.isTheModels)
            throw failure.cause
        } catch {
            rescue(after: error)
            throw error
        }
    }

    private func train(stop: () -> Int32?) throws -> TrainingOutcome {
        let options = recipe.optimization
        let firstUpdate = state.update
        var signal: Int32?
        if let epoch = state.pendingValidation {
            state.finished = isFinished
            try validateWhole(epoch: epoch)
            try saveIfDue(endsEpoch: state.position == 0)
        }
        while !isFinished {
            let update = state.update + 1
            cluster?.noteProgress(update: update)
            let rate = options.learningRate.rate(update: update, maxUpdate: options.maxUpdate)
            let sums = try makeUpdate(update, learningRate: rate) {
                signal = stop()
                return signal != nil
            }
            // An update that was broken off has changed nothing: the state is still that after the one before.
            if let sums {
                let due = try agree(cluster == nil ? nil : stop())
                try finish(update, sums, rate: rate, due)
                signal = due.signal
            }
            // Several processes stop only where they agree on it, above.
            if let signal = signal ?? (cluster == nil ? stop() : nil) {
                try save()
                try finishSaving()
                // A scheduler may end the whole job as soon as one process has left with a signal's code.
                try cluster?.group.barrier()
                report("stopped by signal \(signal) after update \(state.update)\(howToGoOn)")
                return .stopped(signal: signal)
            }
            if let lastEpochOfJob, state.epoch >= lastEpochOfJob, !isFinished {
                try save()
                try finishSaving()
                report("this job's epochs are made, the last update was \(update)\(howToGoOn)")
                return .paused
            }
        }
        // A run that is finished has a state, whatever its recipe says.
        if keeper.lastSaved == nil { try save() }
        try finishSaving()
        if state.update > firstUpdate { try writeBenchmark() }
        report("finished after update \(state.update) in \(spoken(seconds: meter.totalSeconds))")
        return .finished
    }

    private var howToGoOn: String {
        recipe.checkpoint.noSave ? "; checkpoint.no_save is set, and nothing is saved" : "; go on with --resume"
    }

    var isFinished: Bool {
        state.update >= recipe.optimization.maxUpdate || recipe.optimization.maxEpoch.map { state.epoch >= $0 } ?? false
    }

    /// After an update: counts, logs, validates and saves as far as it is time for each.
    private func finish(_ update: Int, _ sums: Statistics, rate: Double, _ due: Due) throws {
        let epoch = data.epoch
        let endsEpoch = data.isEpochFinished
        try keeper.hear()
        meter.count(sums, waitSeconds: data.waitSeconds)
        if endsEpoch {
            try data.beginNextEpoch()
            meter.endEpoch()
        }
        state.update = update
        state.epoch = data.epoch
        state.position = data.position
        state.finished = isFinished
        state.statistics += sums
        for warning in watch.look(at: update, sums) { try warn(warning) }
        if let every = recipe.logging.histogramEvery, update % every == 0 {
            for group in task.groups { try group.parameters.gatherGradients() }
            try log?.write(gradientHistograms(task.groups), series: "train", update: update)
        }
        if update % recipe.logging.logEvery == 0 || isFinished { try writeLog(epoch: epoch, rate: rate) }
        let perUpdate = meter.secondsPerUpdate ?? 0
        progress(
            liveLine(
                update: update, of: recipe.optimization.maxUpdate, secondsPerUpdate: perUpdate,
                remaining: perUpdate * Double(remainingUpdates)))
        if isFinished || due.validation || isDue(recipe.validation.every, endsEpoch) {
            try validateWhole(epoch: epoch)
        }
        try saveIfDue(endsEpoch: endsEpoch, clock: due.save)
    }

    /// What time and signals ask for after an update.
    private struct Due {
        var signal: Int32?
        var validation: Bool
        var save: Bool
    }

    /// Clocks and signals differ between processes, and all must do the same after the same update.
    private func agree(_ signal: Int32?) throws -> Due {
        let validation = hasPassed(recipe.validation.every, since: meter.lastValidation)
        let save = hasPassed(recipe.checkpoint.saveEvery, since: meter.lastSave)
        guard let cluster else { return Due(signal: signal, validation: validation, save: save) }
        let all = try cluster.exchange([Double(signal ?? 0), validation ? 1 : 0, save ? 1 : 0])
        let first = all.first { $0[0] > 0 }.map { Int32($0[0]) }
        return Due(signal: first, validation: all[0][1] > 0, save: all[0][2] > 0)
    }

    private func hasPassed(_ interval: Interval?, since last: ContinuousClock.Instant) -> Bool {
        guard case .minutes(let minutes) = interval else { return false }
        return (ContinuousClock.now - last).inSeconds >= minutes * 60
    }

    /// Updates until the end, by number or by epochs, whichever comes first.
    var remainingUpdates: Int {
        let byNumber = max(0, recipe.optimization.maxUpdate - state.update)
        guard let epochs = recipe.optimization.maxEpoch else { return byNumber }
        let position = Double(state.epoch) + Double(state.position) / Double(max(1, data.subBatchesPerEpoch))
        return min(byNumber, Int((max(0, Double(epochs) - position) * updatesPerEpoch).rounded(.up)))
    }

    /// Updates of an epoch, the last of which may be smaller than the others.
    var updatesPerEpoch: Double {
        let size = EffectiveBatch(recipe, processes: cluster?.size ?? 1).count
        return Double((data.subBatchesPerEpoch + size - 1) / size)
    }

    private func warn(_ warning: Watch.Warning) throws {
        report("WARNING: \(warning)")
        try log?.write(
            WarningRecord(update: state.update, topic: warning.topic, message: "\(warning)"), series: nil,
            update: state.update)
    }

    // MARK: Setting up

    /// Reads the data, builds or restores the model, and gets everything ready for ``run(stop:)``.
    ///
    /// - Parameters:
    ///   - wanted: The run.
    ///   - cluster: The processes that train together, if there are others; each makes a trainer of the same job.
    ///   - report: Gets lines for people, of one process only.
    ///   - progress: Gets after every update how far training is, for one place on a terminal.
    /// - Throws: ``TrainingError``, `CorpusError`, `CheckpointError`, `ConfigurationError`.
    public init(
        _ wanted: TrainingJob, among cluster: Cluster? = nil, report: @escaping (String) -> Void = { _ in },
        progress: @escaping (String) -> Void = { _ in }
    ) throws {
        var job = wanted
        self.cluster = cluster
        let processes = cluster?.size ?? 1
        let isLeader = cluster?.isLeader ?? true
        let report = isLeader ? report : { _ in }
        self.report = report
        self.progress = isLeader ? progress : { _ in }
        guard !job.train.isEmpty, !job.valid.isEmpty else {
            throw TrainingError.usage("training needs at least one --train and one --valid manifest")
        }
        try job.device.prepare()
        let folder = RunFolder(url: job.output)
        lock = job.isDryRun || !isLeader ? nil : try RunLock(job.output)
        let last = try job.place(in: folder, among: cluster)
        let saved = try last.map { try folder.read($0) }
        if let saved { try job.requireSameTask(as: saved.weights.description) }
        let resumed = try saved.map { try ResumedRecipe($0.state, job) }
        if let resumed { job.recipe = resumed.recipe }
        let origin = try saved?.weights ?? job.origin()
        var recipe = job.recipe
        if let origin {
            try origin.requireFinite(isResumed: saved != nil)
            recipe.adoptArchitecture(of: origin.description)
            if saved == nil {
                for note in origin.notes { report("\(origin.url.relativePath): \(note.phrase)") }
                for sentence in job.ignored(by: recipe, of: origin) { report("WARNING: \(sentence)") }
            }
        }
        try job.divideUpdates(of: &recipe, among: processes, resumed: saved?.state, divides: resumed?.divides, report)
        try recipe.validate()
        if let other = job.intendedTask, other != job.task {
            report(
                "WARNING: the recipe seems to be one for \(other.rawValue), and this is \(job.task.rawValue): check "
                    + "--recipe")
        }
        if recipe.optimization.recordSteps, job.task == .finetuning {
            report("WARNING: optimization.record_steps is for pre-training alone")
        }

        let labels = job.task == .finetuning ? recipe.data.labels : nil
        let manifest = try Manifest.training(job.train, labels: labels)
        validation = try job.valid.map { try Manifest.validation($0, labels: labels) }
        if let cluster {
            let file = LabelDictionary.file(for: job.train[0].url, labels: recipe.data.labels)
            let dictionary = labels != nil && saved == nil ? try? LabelDictionary(contentsOf: file) : nil
            try DataAgreement(manifest, validation: validation, dictionary: dictionary).compare(among: cluster)
        }
        let summary = "\(manifest.name) (\(manifest.count) utterances, \(manifest.totalSamples) samples)"
        let identity = DataIdentity(manifest).text
        let batch = EffectiveBatch(recipe, processes: processes)
        var state = saved?.state ?? TrainingState(recipe: [:], data: summary)
        if let resumed {
            try resumed.requireSameRun(state, data: summary, identity: identity, folder: job.output)
            for line in resumed.news(after: state.update) + job.unheeded(by: state) { report(line) }
            if state.effectiveBatch != batch.count {
                report(
                    "WARNING: an update had \(state.effectiveBatch) sub-batches until now and has \(batch.count) from "
                        + "now on; --effective-batch \(state.effectiveBatch) goes on as before")
            }
        }
        let threads = job.device == .cpu ? LibTorch.threads : nil
        if saved != nil, let sentence = state.rounding(threads: threads) { report("WARNING: \(sentence)") }
        state.threads = threads
        heldOutIdentity = DataIdentity(validation[0]).text
        if let best = state.best, let then = best.identity, then != heldOutIdentity {
            report(
                "WARNING: until now \(best.name ?? "another set") chose the best checkpoint (\(best.metric) "
                    + "\(short(best.value)) after update \(best.update)); \(validation[0].name) chooses anew from now on"
            )
            state.best = nil
        }
        job.note(in: &state, resolved: recipe, isNew: saved == nil)
        (state.data, state.dataIdentity) = (summary, identity)
        state.effectiveBatch = batch.count
        lastEpochOfJob = job.epochsThisJob.map { state.epoch + $0 }

        let tensors = try cluster.map {
            try $0.group(on: recipe.distributed.backend == .gloo ? .cpu : job.device)
        }
        let sharing = recipe.distributed.zeroSharding && processes > 1 ? cluster : nil
        task = try TaskSetup(
            job: job, recipe: recipe, origin: origin, isResumed: saved != nil, manifest: manifest,
            validation: validation, shards: sharing == nil ? nil : tensors, report: report
        ).make()
        data = try TrainingData(
            manifest, recipe: recipe, receptiveField: recipe.model.convFeatureLayers.receptiveField,
            leastSamples: task.leastSamples, dictionary: task.dictionary, epoch: state.epoch, position: state.position,
            share: cluster.map { ProcessShare(rank: $0.rank, size: $0.size) } ?? .everything,
            saved: last?.path ?? folder.last.path)
        makeUpdate = try UpdateStep(task, data, recipe, cluster: cluster, over: tensors, report: report)
        if let last { try makeUpdate.restore(state, from: last) }
        keeper = CheckpointKeeper(
            folder, recipe.checkpoint, makeUpdate,
            try sharing.map { .shares(try $0.makeGroup("checkpoints")) } ?? (isLeader ? .writes : .none),
            lastSaved: saved?.state.update, report: report)
        let model = recipe.model
        // Fine-tuning has the settings of its model's code books, but no use for them.
        let choosesCodes = task.description.task == .pretraining && model.quantizeTargets
        watch = Watch(
            recipe.watch, entries: choosesCodes ? model.latentGroups * model.latentVars : 0,
            groups: model.latentGroups, warmup: min(recipe.optimization.learningRate.warmupUpdates, 10_000))
        self.state = state
        self.recipe = recipe
        log = try job.isDryRun || !isLeader ? nil : Self.openLog(folder, recipe, state, task.metrics, report)
        let type = recipe.precision.mode.mode(generation: try job.device.generation()).dtype
        let peak = try recipe.logging.utilisation ? job.device.sustainedSpeed(type) : nil
        meter = Meter(
            earlierSeconds: log?.earlierSeconds ?? 0, peak: peak.map { $0 * Double(processes) },
            benchmarkEpochs: recipe.logging.benchmarkEpochsNum)
        // A kill may have come between saving the last state and keeping it.
        if saved != nil, state.pendingValidation == nil, !job.isDryRun, isLeader { try keeper.tidy(state) }
        introduce(job, batch, peak: peak)
    }

    private static func openLog(
        _ folder: RunFolder, _ recipe: Recipe, _ state: TrainingState, _ metrics: [Metric],
        _ report: (String) -> Void
    ) throws -> RunLog {
        let text = recipe.yaml
        try AtomicFile.write(to: folder.recipe) { try $0.append(Data(text.utf8)) }
        let log = try RunLog(
            folder.url, after: state.update, repeatsValidation: state.pendingValidation != nil, recipe: text,
            metrics: metrics, writesEvents: recipe.logging.tensorboard)
        if log.damagedLines > 0 {
            report(
                "WARNING: \(folder.url.appendingPathComponent(TrainingLog.name).path): \(log.damagedLines) damaged lines "
                    + "before its end are left out from now on; training itself is not affected")
        }
        return log
    }
}
