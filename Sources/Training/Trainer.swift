import Corpus
import Foundation
import Interchange
import Torch
import Wav2Vec2

/// How a run ended.
public enum TrainingOutcome: Sendable, Equatable {
    /// All updates are made.
    case finished
    /// A signal asked to stop; everything is saved.
    case stopped(signal: Int32)
}

/// Trains a model: the loop, and when it logs, validates and saves.
///
/// Everything runs on the calling thread; only audio is decoded on others.
public final class Trainer {
    private let recipe: Recipe
    private let task: any TrainingTask
    private let data: TrainingData
    private let validation: [Manifest]
    private let folder: RunFolder
    private let log: TrainingLog
    private let report: (String) -> Void
    private var state: TrainingState
    private var meter: Meter

    /// The training loop: rate, accumulate, normalise, clip, step, log.
    ///
    /// - Parameter stop: Asked after every update for the signal that wants the run to stop.
    /// - Returns: Whether all updates are made.
    /// - Throws: ``TrainingError``, or what the data or the model threw; what was saved before stays.
    public func run(stop: () -> Int32? = { nil }) throws -> TrainingOutcome {
        let options = recipe.optimization
        while !isFinished {
            let update = state.update + 1
            let rate = options.learningRate.rate(update: update, maxUpdate: options.maxUpdate)
            var sums = Statistics()
            var utterances: [Int] = []
            for group in task.groups { try group.parameters.clearGradients() }
            for microBatch in 0..<options.updateFreq {
                guard let batch = try data.next() else { break }
                sums += try task.accumulate(batch, update: update, microBatch: microBatch)
                utterances += batch.utterances
            }
            let norm = try gradientNorm(task.groups.map(\.parameters)) / Double(sums.sampleSize)
            guard norm.isFinite, sums.loss.isFinite else { throw try notFinite(update, sums, utterances) }
            let clip = options.clipNorm > 0 ? min(1, options.clipNorm / (norm + 1e-6)) : 1
            for group in task.groups where update >= group.firstUpdate {
                try group.adam.step(learningRate: rate, gradientScale: clip / Double(sums.sampleSize))
            }
            sums.updates = 1
            sums.gradientNorm = norm
            try finish(update, sums, rate: rate)
            if let signal = stop() {
                try save()
                report("stopped by signal \(signal) after update \(update); go on with --resume")
                return .stopped(signal: signal)
            }
        }
        report("finished after update \(state.update) in \(spoken(seconds: meter.totalSeconds))")
        return .finished
    }

    private var isFinished: Bool {
        state.update >= recipe.optimization.maxUpdate || recipe.optimization.maxEpoch.map { state.epoch >= $0 } ?? false
    }

    /// After an update: counts, logs, validates and saves as far as it is time for each.
    private func finish(_ update: Int, _ sums: Statistics, rate: Double) throws {
        let epochOfUpdate = data.epoch
        let endsEpoch = data.isEpochFinished
        if endsEpoch { try data.beginNextEpoch() }
        state.update = update
        state.epoch = data.epoch
        state.position = data.position
        state.statistics += sums
        if update % recipe.logging.logEvery == 0 || isFinished {
            try writeLog(epoch: epochOfUpdate, rate: rate)
        }
        if isFinished || recipe.validation.every.map({ isDue($0, endsEpoch, since: meter.lastValidation) }) ?? false {
            try validate(epoch: epochOfUpdate)
        }
        if isFinished || isDue(recipe.checkpoint.saveEvery, endsEpoch, since: meter.lastSave) { try save() }
    }

    private func isDue(_ interval: Interval, _ endsEpoch: Bool, since last: ContinuousClock.Instant) -> Bool {
        switch interval {
        case .updates(let count): state.update % count == 0
        case .epochs(let count): endsEpoch && state.epoch % count == 0
        case .minutes(let minutes): (ContinuousClock.now - last).inSeconds >= minutes * 60
        }
    }

    private func writeLog(epoch: Int, rate: Double) throws {
        let (sums, rates) = (state.statistics, meter.lap(waitSeconds: data.waitSeconds, state.statistics.updates))
        let pretrains = task.description.task == .pretraining
        func only(_ value: Double) -> Double? { pretrains ? value : nil }
        let record = TrainRecord(
            update: state.update, epoch: epoch, loss: sums.mean(sums.loss),
            contrastive: only(sums.mean(sums.contrastive)), diversity: only(sums.mean(sums.diversity)),
            penalty: only(sums.mean(sums.penalty)),
            accuracy: only(sums.mean(Double(sums.correct))), codePerplexity: only(sums.mean(sums.codePerplexity)),
            probPerplexity: only(sums.mean(sums.probPerplexity)),
            temperature: only(TemperatureSchedule(recipe.model.latentTemp).temperature(update: state.update)),
            gradNorm: sums.gradientNorm / Double(max(1, sums.updates)), lr: rate,
            audioSecondsPerSecond: Double(sums.samples) / 16_000 / rates.seconds,
            framesPerSecond: Double(sums.frames) / rates.seconds,
            maskedFramesPerSecond: Double(sums.maskedFrames) / rates.seconds, dataWaitShare: rates.waitShare,
            peakRssMb: peakResidentMegabytes(), seconds: meter.totalSeconds)
        state.statistics = Statistics()
        try log.write(record)
        report(
            progressLine(
                record, of: recipe.optimization.maxUpdate,
                remaining: Double(recipe.optimization.maxUpdate - state.update) * rates.secondsPerUpdate))
    }

    private func validate(epoch: Int) throws {
        let start = ContinuousClock.now
        for (index, manifest) in validation.enumerated() {
            let began = ContinuousClock.now
            let result = try task.validate(manifest)
            let sums = result.statistics
            let pretrains = task.description.task == .pretraining
            let loss = sums.mean(sums.loss)
            let value = task.metric == "wer" ? result.wer ?? .infinity : loss
            let isBest = index == 0 && value.isFinite && value < state.best?.value ?? .infinity
            try log.write(
                ValidRecord(
                    update: state.update, epoch: epoch, name: manifest.name, utterances: result.utterances,
                    loss: loss.isFinite ? loss : nil,
                    accuracy: pretrains ? sums.mean(Double(sums.correct)) : nil,
                    codePerplexity: pretrains ? sums.mean(sums.codePerplexity) : nil,
                    probPerplexity: pretrains ? sums.mean(sums.probPerplexity) : nil, wer: result.wer, cer: result.cer,
                    best: isBest, seconds: meter.totalSeconds))
            report(
                validationLine(
                    result, manifest: manifest, update: state.update, isBest: isBest,
                    seconds: (ContinuousClock.now - began).inSeconds))
            guard isBest else { continue }
            state.best = .init(update: state.update, metric: task.metric, value: value)
            guard recipe.checkpoint.keepBest else { continue }
            try folder.replace("best") { try write(to: $0, withOptimizer: false) }
        }
        meter.exclude(since: start)
        meter.lastValidation = .now
    }

    /// Saves everything that resuming needs.
    private func save() throws {
        let start = ContinuousClock.now
        try folder.replace("last") { try write(to: $0, withOptimizer: true) }
        meter.exclude(since: start)
        meter.lastSave = .now
    }

    private func write(to url: URL, withOptimizer: Bool) throws {
        try Checkpoint.write(task.description, state: task.module.state(), to: url)
        for group in task.groups { state.optimizerUpdates[group.name] = group.adam.updates }
        try state.write(to: url)
        guard withOptimizer else { return }
        var moments: [String: Tensor] = [:]
        for group in task.groups { moments.merge(try group.moments()) { first, _ in first } }
        try TensorFile.write(moments, to: url.appendingPathComponent(TrainingState.optimizerName))
    }

    private func notFinite(_ update: Int, _ sums: Statistics, _ utterances: [Int]) throws -> TrainingError {
        var what = "the loss"
        search: for group in task.groups {
            for index in group.parameters.names.indices
            where try !group.parameters.view(index, of: group.parameters.gradients).isFinite() {
                what = "the gradient of \(group.parameters.names[index])"
                break search
            }
        }
        var names = utterances.prefix(10).map { data.manifest.identifier($0) }
        if utterances.count > 10 { names.append("and \(utterances.count - 10) more") }
        return .notFinite(update: update, what: what, utterances: names)
    }

    // MARK: Setting up

    /// Reads the data, builds or restores the model, and gets everything ready for ``run(stop:)``.
    ///
    /// - Parameters:
    ///   - job: The run.
    ///   - report: Gets lines for people.
    /// - Throws: ``TrainingError``, `CorpusError`, `CheckpointError`, `ConfigurationError`.
    public init(_ job: TrainingJob, report: @escaping (String) -> Void = { _ in }) throws {
        self.report = report
        var recipe = job.recipe
        guard !job.train.isEmpty, !job.valid.isEmpty else {
            throw TrainingError.usage("training needs at least one --train and one --valid manifest")
        }
        try job.device.prepare()
        let folder = RunFolder(url: job.output)
        let resumes = try folder.prepare(resumes: job.resume)
        let saved = try resumes ? (Checkpoint.read(folder.last), TrainingState.read(folder.last)) : nil
        let origin = try saved?.0 ?? job.from.map { try Checkpoint.read($0) }
        if let origin { recipe.adoptArchitecture(of: origin.description) }
        try recipe.validate()

        let labels = job.task == .finetuning ? recipe.data.labels : nil
        let manifest = try Manifest.training(job.train, labels: labels)
        validation = try job.valid.map { try Manifest.validation($0, labels: labels) }
        let summary = "\(manifest.name) (\(manifest.count) utterances, \(manifest.totalSamples) samples)"
        var state = saved?.1 ?? TrainingState(recipe: [:], data: summary)
        if resumes { try state.requireSame(recipe: recipe, data: summary, folder: job.output) }
        state.recipe = recipe.values
        self.state = state
        self.recipe = recipe
        self.folder = folder

        task = try Self.task(job, recipe, origin: origin, isResumed: resumes, manifest, validation, report)
        if resumes {
            let moments = try TensorFile.read(folder.last.appendingPathComponent(TrainingState.optimizerName))
            for group in task.groups {
                try group.restore(updates: state.optimizerUpdates[group.name] ?? 0, from: moments)
            }
        }
        data = try TrainingData(
            manifest, recipe: recipe, receptiveField: recipe.model.convFeatureLayers.receptiveField,
            dictionary: task.dictionary, epoch: state.epoch, position: state.position)
        let text = recipe.yaml
        try AtomicFile.write(to: folder.recipe) { try $0.append(Data(text.utf8)) }
        log = try TrainingLog(job.output, after: state.update)
        if log.damagedLines > 0 {
            report(
                "WARNING: \(job.output.appendingPathComponent(TrainingLog.name).path): \(log.damagedLines) damaged lines "
                    + "before its end are left out from now on; training itself is not affected")
        }
        meter = Meter(earlierSeconds: log.earlierSeconds)
        for manifest in validation {
            if let sentence = try recipe.validationExclusions(manifest, job.task) { report("WARNING: \(sentence)") }
        }
        introduce(job)
    }

    private static func task(
        _ job: TrainingJob, _ recipe: Recipe, origin: Checkpoint?, isResumed: Bool, _ manifest: Manifest,
        _ validation: [Manifest], _ report: (String) -> Void
    ) throws -> any TrainingTask {
        guard job.task == .finetuning else {
            if origin == nil { report("the model starts from random weights (seed \(recipe.seed))") }
            return try PretrainingTask(recipe, weights: origin, device: job.device)
        }
        let weights: FinetuningTask.Weights
        switch origin {
        case nil:
            report("WARNING: no --from: the model starts from random weights, and nothing pre-trained is used")
            weights = .random
        case let checkpoint? where isResumed: weights = .all(checkpoint)
        case let checkpoint?: weights = .shared(checkpoint)
        }
        let file = LabelDictionary.file(for: job.train[0].url, labels: recipe.data.labels)
        guard FileManager.default.fileExists(atPath: file.path) else {
            throw TrainingError.badData(
                "\(file.path): the dictionary beside the training manifest is missing; make it with wav2vec2 data "
                    + "dictionary")
        }
        let dictionary = try LabelDictionary(contentsOf: file)
        for manifest in [manifest] + validation { try dictionary.validate(manifest) }
        let task = try FinetuningTask(recipe, dictionary: dictionary, weights: weights, device: job.device)
        if let sentence = try task.labelsThatDoNotFit(manifest) {
            guard recipe.ctc.zeroInfinity else {
                throw TrainingError.badData(sentence + "; leave them out, or set ctc.zero_infinity=true")
            }
            report("WARNING: \(sentence); they cost nothing and teach nothing")
        }
        return task
    }

    private func introduce(_ job: TrainingJob) {
        if let sentence = data.exclusions { report("WARNING: \(sentence)") }
        let count = task.module.parameters().reduce(0) { $0 + $1.tensor.count }
        let seconds = data.samplesPerSubBatch * Double(recipe.subBatchesPerUpdate) / 16_000
        report(
            "\(job.task.rawValue): \(count) parameters, \(data.manifest.count) utterances of \(data.manifest.name) "
                + "(\(spoken(seconds: Double(data.manifest.totalSamples) / 16_000)) of audio), "
                + "\(data.subBatchesPerEpoch) sub-batches an epoch; an update takes "
                + "\(recipe.batching.numConcatBatches) concatenated × \(recipe.optimization.updateFreq) accumulated, about \(spoken(seconds: seconds)) of audio"
        )
        if state.update > 0 { report("going on after update \(state.update) (epoch \(state.epoch + 1))") }
    }
}
