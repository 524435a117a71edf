import Foundation
import Logging
import W2VAudio
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VObjectives

// The lines, records and histograms that the trainer writes.

extension Trainer {
    /// Describes the run that is about to start.
    ///
    /// - Parameters:
    ///   - run: The run.
    ///   - peak: Operations per second of a large matrix product, if measured.
    func introduce(_ run: ResolvedRun, peak: Double?) {
        let (job, batch) = (run.job, run.batch)
        if let sentence = data.exclusions { logger.warning("\(sentence)", metadata: ["file": "\(data.manifest.name)"]) }
        let count = task.module.parameters().reduce(0) { $0 + $1.tensor.count }
        let (used, all, drawn) = (data.utterances, data.manifest.count, data.utterancesPerEpoch)
        let seconds = data.samplesPerSubBatch * Double(data.subBatchesPerEpoch) / Double(AudioFile.modelSampleRate)
        logger.info(
            """
            \(job.kind.rawValue): \(count) parameters, \(used == all ? "" : "\(used) of ")\(all) utterances of \
            \(data.manifest.name), \(drawn == used ? "" : "by their weights \(drawn) in this epoch, ")\
            \(ReadableText.duration(seconds)) of audio and \(data.subBatchesPerEpoch) sub-batches an epoch
            """,
            metadata: [
                "task": "\(job.kind.rawValue)", "parameters": .stringConvertible(count),
                "utterances": .stringConvertible(used),
                "file": "\(data.manifest.name)",
            ])
        logger.info(
            "\(batch.description(samplesPerSubBatch: data.samplesPerSubBatch))",
            metadata: ["effective_batch": .stringConvertible(batch.count)])
        if let sentence = batch.mismatch, job.effectiveBatch == nil { logger.warning("\(sentence)") }
        if !isFinished {
            let updates = state.update + remainingUpdates
            let epochs = Int((Double(updates) / updatesPerEpoch).rounded(.up))
            for sentence in recipe.unreached(job.kind, updates: updates, epochs: epochs) {
                logger.warning("\(sentence)")
            }
        }
        if let peak {
            logger.info("matrix products reach \(short(peak / 1e9)) GFLOP/s here; utilization is relative to that")
        }
        if state.update > 0 {
            logger.info(
                "continuing after update \(state.update) (epoch \(state.epoch + 1))",
                metadata: ["update": .stringConvertible(state.update), "epoch": .stringConvertible(state.epoch)])
        }
    }

    /// Writes a warning of ``Watch``.
    ///
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func warn(_ warning: Watch.Warning) throws {
        logger.warning(
            "\(warning)", metadata: ["update": .stringConvertible(state.update), "topic": "\(warning.topic)"])
        try log?.write(
            WarningRecord(update: state.update, topic: warning.topic, message: "\(warning)"), series: nil,
            update: state.update)
    }

    /// Warns, once, if steps are recorded and hardly ever replayed.
    func warnOfShapes() {
        guard !hasWarnedOfShapes, let counts = task.recordingCounts,
            counts.firstRuns > RecordedObjective<ContrastiveObjective>.capacity, counts.replayedShare < 0.5
        else { return }
        hasWarnedOfShapes = true
        logger.warning(
            """
            optimization.record_steps has replayed \(short(counts.replayedShare * 100)) % of \
            \(counts.firstRuns + counts.replays) passes, because shapes hardly ever repeat; set masking.count=fixed and \
            batching.crop_grid=16, or turn it off
            """, metadata: ["update": .stringConvertible(state.update)])
    }

    /// Writes the histograms of gradients and parameters.
    ///
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``, `TorchError`.
    func writeHistograms() throws {
        // All processes gather, and one writes.
        for group in task.groups { try group.parameters.gatherGradients() }
        try log?.write(gradientHistograms(task.groups), series: "train", update: state.update)
    }

    /// Writes the line about the updates since the previous line.
    ///
    /// - Parameters:
    ///   - epoch: The last update's epoch.
    ///   - rate: Its learning rate.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func writeLog(epoch: Int, rate: Double) throws {
        let record = TrainRecord(
            state.statistics, meter.endLap(), update: state.update, epoch: epoch, learningRate: rate,
            lossScale: trainStep.lossScale, etaSeconds: meter.secondsPerUpdate.map { $0 * Double(remainingUpdates) },
            seconds: meter.totalSeconds)
        try log?.write(record, series: "train", update: state.update)
        logger.info(
            "\(progressLine(record, task.metrics, state.statistics.metrics, of: recipe.optimization.maxUpdate))",
            metadata: record.logMetadata)
    }

    /// Writes the speed of the last epochs, if this job has made updates.
    ///
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func writeBenchmark() throws {
        guard let (counts, rates) = meter.benchmark else { return }
        let record = BenchmarkRecord(counts, rates, update: state.update)
        try log?.write(record, series: nil, update: state.update)
        let share = rates.utilisation.map { ", utilization \(short($0 * 100)) %" } ?? ""
        logger.info(
            """
            speed over the last \(counts.updates) updates: \(short(record.secondsPerUpdate)) s an update, \
            \(short(rates.audioSecondsPerSecond)) s of audio, \(short(rates.framesPerSecond)) frames and \
            \(short(rates.maskedFramesPerSecond)) masked frames a second\(share)
            """, metadata: record.logMetadata)
        guard let counts = task.recordingCounts else { return }
        logger.info(
            "recorded steps: \(counts.recordings) recordings, \(short(counts.replayedShare * 100)) % of passes replayed"
        )
    }

    /// What the run's result is, where it lies, and what to do with it, one sentence each.
    var conclusion: [String] {
        guard !recipe.checkpoint.noSave else { return [] }
        let hasBest = recipe.checkpoint.keepBest && FileManager.default.fileExists(atPath: keeper.folder.best.path)
        let place = hasBest ? keeper.folder.best : keeper.folder.last
        var sentences: [String] = []
        if let best = state.best, hasBest {
            let metric = task.metrics.first { $0.name == best.metric }
            let value = metric?.format == .percent ? "\(short(best.value * 100)) %" : short(best.value)
            sentences.append(
                "best: \(metric?.label ?? best.metric) \(value) after update \(best.update), in \(place.relativePath)")
        } else {
            sentences.append("weights: those of the last update, in \(place.relativePath)")
        }
        let next: Phrase = task.dictionary == nil ? .fineTuneResult(place.relativePath) : .useResult(place.relativePath)
        return sentences + ["next: \(next)"]
    }

    /// Writes the line about a held-out set's result.
    ///
    /// - Parameters:
    ///   - result: The result.
    ///   - ofAverage: Whether it is that of the averaged weights.
    ///   - index: The set's number.
    ///   - epoch: The last update's epoch.
    ///   - isBest: Whether the weights are the best so far.
    ///   - began: The start of the evaluation.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func record(
        _ result: ValidationTally, ofAverage: Bool = false, set index: Int, epoch: Int, isBest: Bool,
        since began: ContinuousClock.Instant
    ) throws {
        let name = heldOut.manifests[index].name
        let texts = result.examples.map { example -> (tag: String, value: EventFile.Value) in
            ("text/\(example.name)", .text(example.markdown))
        }
        let histograms =
            ofAverage
            ? []
            : self.histograms(of: result.statistics.metrics)
        let record = ValidRecord(
            result, kind: ofAverage ? "valid_ema" : "valid", name: name, update: state.update, epoch: epoch,
            best: isBest, seconds: meter.totalSeconds)
        try log?.write(
            record, series: heldOut.series(index, of: ofAverage ? "ema" : "valid"), update: state.update,
            histograms: histograms, texts: texts)
        let line = validationLine(
            result, of: ofAverage ? "averaged weights" : nil, task.metrics, chosenBy: task.metric,
            manifest: heldOut.manifests[index], update: state.update, isBest: isBest,
            seconds: (ContinuousClock.now - began).inSeconds)
        logger.info("\(line)", metadata: record.logMetadata)
    }

    /// Returns the histograms among metrics, each with its most frequent bin first.
    private func histograms(of sums: MetricSums) -> [(tag: String, Histogram)] {
        task.metrics.flatMap { metric in
            sums.bins(metric.name).enumerated().compactMap { part, counts in
                Histogram(ranked: counts).map { ("\(metric.tag ?? metric.name)\(part)", $0) }
            }
        }
    }
}

/// Makes histograms of the norms of gradients and of parameters, one value per parameter tensor.
///
/// - Parameter groups: The parameters, with the gradients of the last update.
/// - Returns: The histograms with their tags.
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
