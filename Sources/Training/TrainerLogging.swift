import Corpus
import Decoding
import Foundation
import Objectives
import Wav2Vec2

// What the trainer measures and writes down.

extension Trainer {
    private var pretrains: Bool { task.description.task == .pretraining }

    /// Says what is about to be learned, and how.
    func introduce(_ job: TrainingJob, _ batch: EffectiveBatch, peak: Double?) {
        if let sentence = data.exclusions { report("WARNING: \(sentence)") }
        let count = task.module.parameters().reduce(0) { $0 + $1.tensor.count }
        let (used, all, drawn) = (data.utterances, data.manifest.count, data.utterancesPerEpoch)
        let seconds = data.samplesPerSubBatch * Double(data.subBatchesPerEpoch) / 16_000
        report(
            "\(job.task.rawValue): \(count) parameters, \(used == all ? "" : "\(used) of ")\(all) utterances of "
                + "\(data.manifest.name), \(drawn == used ? "" : "by their weights \(drawn) in this epoch, ")"
                + "\(spoken(seconds: seconds)) of audio and \(data.subBatchesPerEpoch) sub-batches an epoch")
        report(batch.description(samplesPerSubBatch: data.samplesPerSubBatch))
        if let sentence = batch.mismatch, job.effectiveBatch == nil { report("WARNING: \(sentence)") }
        if !isFinished {
            let updates = state.update + remainingUpdates
            let epochs = Int((Double(updates) / updatesPerEpoch).rounded(.up))
            for sentence in recipe.unreached(job.task, updates: updates, epochs: epochs) {
                report("WARNING: \(sentence)")
            }
        }
        if let peak {
            report("matrix products reach \(short(peak / 1e9)) GFLOP/s here; utilisation is a share of that")
        }
        if state.update > 0 { report("going on after update \(state.update) (epoch \(state.epoch + 1))") }
    }

    /// Writes the line about the updates since the line before.
    ///
    /// - Parameters:
    ///   - epoch: The last update's epoch.
    ///   - rate: Its learning rate.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    func writeLog(epoch: Int, rate: Double) throws {
        let record = TrainRecord(
            state.statistics, meter.endLap(), update: state.update, epoch: epoch, learningRate: rate,
            lossScale: makeUpdate.lossScale, etaSeconds: meter.secondsPerUpdate.map { $0 * Double(remainingUpdates) },
            seconds: meter.totalSeconds)
        let line = progressLine(
            record, task.metrics, state.statistics.metrics, of: recipe.optimization.maxUpdate)
        state.statistics = Statistics()
        try log?.write(record, series: "train", update: state.update)
        report(line)
    }

    /// Writes how fast the last epochs were.
    ///
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    func writeBenchmark() throws {
        guard let (counts, rates) = meter.benchmark else { return }
        let record = BenchmarkRecord(counts, rates, update: state.update)
        try log?.write(record, series: nil, update: state.update)
        let share = rates.utilisation.map { ", utilisation \(short($0 * 100)) %" } ?? ""
        report(
            "speed over the last \(counts.updates) updates: \(short(record.secondsPerUpdate)) s an update, "
                + "\(short(rates.audioSecondsPerSecond)) s of audio, \(short(rates.framesPerSecond)) frames and "
                + "\(short(rates.maskedFramesPerSecond)) masked frames a second\(share)")
    }

    /// Measures the model on all held-out sets; the first decides whether it is the best so far.
    ///
    /// Averaged weights are measured beside; as in NVIDIA's program they do not decide.
    ///
    /// - Parameter epoch: The last update's epoch.
    /// - Throws: ``TrainingError``, or what the data or the model threw.
    func validate(epoch: Int) throws {
        let start = ContinuousClock.now
        for (index, manifest) in validation.enumerated() {
            let began = ContinuousClock.now
            let result = try measure(manifest)
            let isBest = index == 0 && isBest(result, manifest)
            try log?.write(
                ValidRecord(
                    result, name: manifest.name, update: state.update, epoch: epoch, best: isBest,
                    seconds: meter.totalSeconds), series: series(index), update: state.update,
                histograms: histograms(task.metrics, result.statistics.metrics))
            report(
                validationLine(
                    result, task.metrics, chosenBy: task.metric, manifest: manifest, update: state.update,
                    isBest: isBest, seconds: (ContinuousClock.now - began).inSeconds))
            if isBest, recipe.checkpoint.keepBest {
                // The best weights alone are nothing to go on from.
                if keeper.lastSaved == nil { try save() }
                try keeper.saveBest(state)
            }
            if makeUpdate.averages { try validateAverage(index, manifest, epoch: epoch) }
        }
        meter.exclude(since: start)
        meter.lastValidation = .now
    }

    /// Measures the model on a held-out set.
    ///
    /// - Parameter manifest: The set.
    /// - Returns: The result.
    /// - Throws: ``TrainingError/modelDiverged(update:name:saved:)`` where what the model says are no numbers.
    private func measure(_ manifest: Manifest) throws -> ValidationTally {
        let diverged = TrainingError.modelDiverged(
            update: state.update, name: manifest.name, saved: keeper.lastSaved.flatMap { $0 < state.update ? $0 : nil })
        do {
            let result = try task.validate(manifest, among: cluster)
            guard !pretrains || result.statistics.loss.isFinite else {
                throw ValidationFailure(cause: diverged, isTheModels: true)
            }
            return result
        } catch is DecodingError {
            throw diverged
        } catch let failure as ValidationFailure where failure.cause is DecodingError {
            throw ValidationFailure(cause: diverged, isTheModels: true)
        }
    }

    private func validateAverage(_ index: Int, _ manifest: Manifest, epoch: Int) throws {
        let began = ContinuousClock.now
        let result = try makeUpdate.withAveragedWeights { try measure(manifest) }
        try log?.write(
            ValidRecord(
                result, kind: "valid_ema", name: manifest.name, update: state.update, epoch: epoch, best: false,
                seconds: meter.totalSeconds), series: series(index, of: "ema"),
            update: state.update)
        report(
            validationLine(
                result, of: "averaged weights", task.metrics, chosenBy: task.metric, manifest: manifest,
                update: state.update, isBest: false, seconds: (ContinuousClock.now - began).inSeconds))
    }

    /// Whether a result is better than any before; then it is remembered.
    private func isBest(_ result: ValidationTally, _ manifest: Manifest) -> Bool {
        guard let value = result.value(task.metric), value.isFinite else {
            report(
                "WARNING: \(manifest.name): the \(task.metric) is no number after update \(state.update), so that it "
                    + "cannot choose the best checkpoint; look at its transcripts and recordings")
            return false
        }
        guard value < state.best?.value ?? .infinity else { return false }
        state.best = .init(
            update: state.update, metric: task.metric, value: value, name: manifest.name, identity: heldOutIdentity)
        return true
    }

    /// The event files' folder of a held-out set: `valid` or `ema` for the first, with their names for the others.
    private func series(_ index: Int, of kind: String = "valid") -> String {
        let names = validation.map { URL(fileURLWithPath: $0.name).deletingPathExtension().lastPathComponent }
        guard index > 0 else { return kind }
        let isAlone = names.dropFirst().count { $0 == names[index] } == 1
        return "\(kind)-\(names[index])" + (isAlone ? "" : "-\(index + 1)")
    }
}

/// The histograms among metrics, the most frequent bin first.
///
/// - Parameters:
///   - metrics: The metrics.
///   - sums: Their values.
/// - Returns: A histogram for each part of each, with its tag.
func histograms(_ metrics: [Metric], _ sums: MetricSums) -> [(tag: String, Histogram)] {
    metrics.filter { $0.reduction == .histogram }.flatMap { metric in
        sums.bins(metric.name).enumerated().compactMap { part, counts in
            Histogram(ranked: counts).map { ("\(metric.tag)\(part)", $0) }
        }
    }
}

/// How large gradients and parameters are: a histogram each of their norms, one number for each parameter tensor.
///
/// - Parameter groups: The parameters, with the gradients that the last update was made of.
/// - Returns: The histograms with their tags.
/// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
func gradientHistograms(_ groups: [ParameterGroup]) throws -> [(tag: String, Histogram)] {
    var (gradients, values): ([Double], [Double]) = ([], [])
    for parameters in groups.map(\.parameters) {
        for index in parameters.names.indices {
            gradients.append(try parameters.view(index, of: parameters.gradients).norm().item())
            values.append(try parameters.leaves[index].detached().norm().item())
        }
    }
    return [("gradient_norms", gradients), ("parameter_norms", values)].compactMap { tag, numbers in
        Histogram(numbers).map { (tag, $0) }
    }
}
