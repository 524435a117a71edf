import Foundation
import W2VAudio
import W2VBase
import W2VCorpus

/// The needs of a run, as a dry run finds them.
public struct DryRunReport: Encodable, Sendable {
    /// The model's parameters.
    public var parameters: Int
    /// Utterances to learn from.
    public var utterances: Int
    /// Sub-batches of an update.
    public var effectiveBatch: Int
    /// Seconds of audio of the update that was made.
    public var audioSecondsPerUpdate: Double
    /// Its loss.
    public var loss: Double
    /// How long it took, reading included.
    public var secondsPerUpdate: Double
    /// Updates that are still to be made.
    public var remainingUpdates: Int
    /// How long they will take at that speed, validation and saving left out.
    public var secondsToFinish: Double
    /// The most memory that the process held, in MB of 2²⁰ bytes.
    public var peakRssMb: Double
    /// The machine's memory in MB.
    public var memoryMb: Double
    /// A whole checkpoint on disk, in MB.
    public var checkpointMb: Double
    /// Its weights alone, as in `best/`, in MB.
    public var weightsMb: Double
    /// The most that all checkpoints of the run will take at once, in MB.
    public var diskNeededMb: Double
    /// Room where the output folder is or will be, in MB; absent if the system does not say.
    public var diskFreeMb: Double?

    /// The same for people.
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
    /// Makes one update and finds out what the run will need; the output folder is left as it is.
    ///
    /// A checkpoint's size is found by writing one into the system's folder for temporary files.
    ///
    /// - Returns: Memory, time and disk.
    /// - Throws: ``TrainingError``, or what the data or the model threw.
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

    /// The most that a run's checkpoints take at once: a new one is written before the old one goes.
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
    /// Free room where this folder is, or where it will be.
    fileprivate func freeBytes() -> Int? {
        var place = standardizedFileURL
        while place.path != "/", !FileManager.default.fileExists(atPath: place.path) { place.deleteLastPathComponent() }
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: place.path)
        return (attributes?[.systemFreeSize] as? NSNumber)?.intValue
    }
}
