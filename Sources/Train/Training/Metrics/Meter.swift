import Foundation
import W2VAudio

/// Measures the speed of training, without validation and saving.
///
/// Only this job's work counts: the time of earlier jobs that were killed is unknown.
struct Meter {
    /// Amounts of work.
    struct Counts: Equatable {
        var updates = 0
        var samples = 0
        var frames = 0
        var maskedFrames = 0
        var operations = 0.0
        var seconds = 0.0
        var waitSeconds = 0.0

        static func += (left: inout Counts, right: Counts) {
            left.updates += right.updates
            left.samples += right.samples
            left.frames += right.frames
            left.maskedFrames += right.maskedFrames
            left.operations += right.operations
            left.seconds += right.seconds
            left.waitSeconds += right.waitSeconds
        }
    }

    /// Rates of work.
    struct Rates: Equatable {
        /// Seconds of audio per second.
        var audioSecondsPerSecond: Double
        /// Encoder frames per second.
        var framesPerSecond: Double
        /// Masked frames per second, which NVIDIA's README calls tokens.
        var maskedFramesPerSecond: Double
        /// The model's operations relative to those of a large matrix product in the same time; `nil` if not measured.
        var utilisation: Double?
        /// The share of time spent waiting for data.
        var waitShare: Double

        init(_ counts: Counts, peak: Double?) {
            let seconds = max(1e-9, counts.seconds)
            audioSecondsPerSecond = Double(counts.samples) / Double(AudioFile.modelSampleRate) / seconds
            framesPerSecond = Double(counts.frames) / seconds
            maskedFramesPerSecond = Double(counts.maskedFrames) / seconds
            utilisation = peak.map { counts.operations / seconds / $0 }
            waitShare = min(1, counts.waitSeconds / seconds)
        }
    }

    /// The time of the last save.
    var lastSave: ContinuousClock.Instant
    /// The end of the last validation.
    var lastValidation: ContinuousClock.Instant
    private let earlierSeconds: Double
    private let peak: Double?
    private let benchmarkEpochs: Int
    private let began: ContinuousClock.Instant
    private var lastCount: ContinuousClock.Instant
    private var lastWait = 0.0
    private var lap = Counts()
    private var epoch = Counts()
    private var epochs: [Counts] = []
    private var pace: (seconds: Double, weight: Double) = (0, 0)

    /// Starts measuring.
    ///
    /// - Parameters:
    ///   - earlierSeconds: Training time of earlier jobs.
    ///   - peak: Operations per second of a large matrix product; `nil` if not measured.
    ///   - benchmarkEpochs: Number of final epochs that ``benchmark`` averages.
    ///   - now: The start of training.
    init(
        earlierSeconds: Double = 0, peak: Double? = nil, benchmarkEpochs: Int = 3, now: ContinuousClock.Instant = .now
    ) {
        (began, lastCount, lastSave, lastValidation) = (now, now, now, now)
        self.earlierSeconds = earlierSeconds
        self.peak = peak
        self.benchmarkEpochs = benchmarkEpochs
    }

    /// Seconds of training, including earlier jobs.
    var totalSeconds: Double { earlierSeconds + (ContinuousClock.now - began).inSeconds }

    /// Recent seconds per update: an average over about the last twenty; `nil` before the first.
    var secondsPerUpdate: Double? { pace.weight > 0 ? pace.seconds / pace.weight : nil }

    /// Counts an update that has just been made.
    ///
    /// - Parameters:
    ///   - sums: The update's sums.
    ///   - waitSeconds: Total time that training has waited for data since the job started.
    ///   - now: The end of the update.
    mutating func count(_ sums: Statistics, waitSeconds: Double, now: ContinuousClock.Instant = .now) {
        let seconds = (now - lastCount).inSeconds
        let counts = Counts(
            updates: 1, samples: sums.samples, frames: sums.frames, maskedFrames: sums.maskedFrames,
            operations: sums.operations, seconds: seconds, waitSeconds: waitSeconds - lastWait)
        lap += counts
        epoch += counts
        lastCount = now
        lastWait = waitSeconds
        pace.seconds = 0.95 * pace.seconds + 0.05 * seconds
        pace.weight = 0.95 * pace.weight + 0.05
    }

    /// Ends an epoch.
    mutating func endEpoch() {
        epochs = (epochs + [epoch]).suffix(benchmarkEpochs)
        epoch = Counts()
    }

    /// Ends a lap of several updates, and starts the next.
    ///
    /// - Returns: The lap's rates.
    mutating func endLap() -> Rates {
        defer { lap = Counts() }
        return Rates(lap, peak: peak)
    }

    /// The speed of this job's last epochs, including an unfinished one only if there is no other; `nil` before any
    /// update.
    var benchmark: (counts: Counts, rates: Rates)? {
        let sum = (epochs.isEmpty ? [epoch] : epochs).reduce(into: Counts()) { $0 += $1 }
        return sum.updates > 0 ? (sum, Rates(sum, peak: peak)) : nil
    }

    /// Excludes time: validation and saving are not training.
    mutating func exclude(since start: ContinuousClock.Instant, until end: ContinuousClock.Instant = .now) {
        lastCount += end - start
    }
}
