import Foundation
import W2VAudio
import W2VBase
import W2VCorpus

/// The requirements of a run, as a dry run measures them.
public struct DryRunReport: Encodable, Sendable {
    /// Number of the model's parameters.
    public var parameters: Int
    /// Number of utterances to learn from.
    public var utterances: Int
    /// Number of sub-batches per update.
    public var effectiveBatch: Int
    /// Seconds of audio in the measured update.
    public var audioSecondsPerUpdate: Double
    /// The measured update's loss.
    public var loss: Double
    /// Duration of the measured update, reading included.
    public var secondsPerUpdate: Double
    /// Number of updates still to make.
    public var remainingUpdates: Int
    /// Their estimated duration at that speed, without validation and saving.
    public var secondsToFinish: Double
    /// Peak memory of the process, in MB of 2²⁰ bytes.
    public var peakRssMb: Double
    /// The machine's memory, in MB.
    public var memoryMb: Double
    /// Size of a complete checkpoint on disk, in MB.
    public var checkpointMb: Double
    /// Size of its weights alone, as in `best/`, in MB.
    public var weightsMb: Double
    /// Maximum disk space of all the run's checkpoints together, in MB.
    public var diskNeededMb: Double
    /// Free space where the output folder is or will be, in MB; absent if the system does not report it.
    public var diskFreeMb: Double?

    /// The report as text for people.
    public var text: String {
        func size(_ megabytes: Double) -> String {
            megabytes < 1024 ? String(format: "%.1f MB", megabytes) : String(format: "%.1f GB", megabytes / 1024)
        }
        let lines = [
            "dry run: one update of \(effectiveBatch) sub-batches (\(ReadableText.duration(audioSecondsPerUpdate)) of audio) "
                + "with a loss of \(short(loss)); nothing is written",
            "  time     \(short(secondsPerUpdate)) s an update, \(ReadableText.duration(secondsToFinish)) for the remaining "
                + "\(remainingUpdates) updates, validation and saving left out",
            "  memory   \(size(peakRssMb)) at the peak, of \(size(memoryMb))",
            "  disk     \(size(checkpointMb)) a checkpoint, \(size(weightsMb)) its weights alone; at most "
                + "\(size(diskNeededMb)) for all checkpoints" + (diskFreeMb.map { ", \(size($0)) are free" } ?? ""),
        ]
        return lines.joined(separator: "\n")
    }
}

extension Trainer {
    /// Makes one update and measures what the run will need; the output folder is left unchanged.
    ///
    /// A checkpoint's size is measured by writing one into the system's folder for temporary files.
    ///
    /// - Throws: ``TrainingError``, or an error of the data or the model.
    public func dryRun() throws -> DryRunReport {
        let options = recipe.optimization
        let update = state.update + 1
        let began = ContinuousClock.now
        let sums =
            try trainStep(
                update, learningRate: options.learningRate.rate(update: update, maxUpdate: options.maxUpdate))
            ?? Statistics()
        let seconds = (ContinuousClock.now - began).inSeconds
        let (whole, weights) = try keeper.sizeOnDisk(state)
        let megabyte = Double(1 << 20)
        let report = DryRunReport(
            parameters: task.module.parameters().reduce(0) { $0 + $1.tensor.count },
            utterances: data.manifest.count,
            effectiveBatch: EffectiveBatch(recipe, processes: cluster?.size ?? 1).count,
            audioSecondsPerUpdate: Double(sums.samples) / Double(AudioFile.modelSampleRate), loss: sums.meanLoss,
            secondsPerUpdate: seconds,
            remainingUpdates: remainingUpdates, secondsToFinish: seconds * Double(remainingUpdates),
            peakRssMb: peakResidentMegabytes(), memoryMb: Double(ProcessInfo.processInfo.physicalMemory) / megabyte,
            checkpointMb: Double(whole) / megabyte, weightsMb: Double(weights) / megabyte,
            diskNeededMb: Double(diskNeeded(whole: whole, weights: weights)) / megabyte,
            diskFreeMb: keeper.folder.url.freeBytes().map { Double($0) / megabyte })
        if let free = report.diskFreeMb, report.diskNeededMb > free {
            logger.warning("the disk will be full before the run is finished")
        }
        return report
    }

    /// Returns the maximum space of a run's checkpoints: a new one is written before the old one is removed.
    private func diskNeeded(whole: Int, weights: Int) -> Int {
        let options = recipe.checkpoint
        guard !options.noSave else { return 0 }
        return whole * (2 + options.keepLastCheckpoints - 1 + milestonesToCome) + (options.keepBest ? 2 * weights : 0)
    }

    private var milestonesToCome: Int {
        let last = state.update + remainingUpdates
        switch recipe.checkpoint.keepMilestones {
        case .updates(let updates): return updates.count { $0 > state.update && $0 <= last }
        case .every(.updates(let count)): return last / count - state.update / count
        case .every(.epochs(let count)): return Int(Double(remainingUpdates) / updatesPerEpoch) / count
        case .every(.minutes), nil: return 0
        }
    }
}

extension URL {
    /// Returns the free space where this folder is, or will be.
    fileprivate func freeBytes() -> Int? {
        var place = standardizedFileURL
        while place.path != "/", !FileManager.default.fileExists(atPath: place.path) { place.deleteLastPathComponent() }
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: place.path)
        return (attributes?[.systemFreeSize] as? NSNumber)?.intValue
    }
}
