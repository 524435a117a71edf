import Foundation
import W2VAudio

/// Measures how fast training goes, validation and saving left out.
///
/// Only what this job did counts: what an earlier one did before a kill took time that nobody measured.
struct Meter {
    /// What was done in some time.
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

    /// How fast it was.
    struct Rates: Equatable {
        /// Seconds of audio a second.
        var audioSecondsPerSecond: Double
        /// Frames of the encoder a second.
        var framesPerSecond: Double
        /// Masked frames a second: what NVIDIA's README calls tokens.
        var maskedFramesPerSecond: Double
        /// The model's operations over those of a large matrix product in the same time; `nil` if not measured.
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

    /// When the state was last saved.
    var lastSave: ContinuousClock.Instant
    /// When validation last ended.
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
    ///   - earlierSeconds: What runs before this one took.
    ///   - peak: Operations a second of a large matrix product; `nil` if not measured.
    ///   - benchmarkEpochs: How many of the last epochs ``benchmark`` averages.
    ///   - now: When training begins.
    init(
        earlierSeconds: Double = 0, peak: Double? = nil, benchmarkEpochs: Int = 3, now: ContinuousClock.Instant = .now
    ) {
        (began, lastCount, lastSave, lastValidation) = (now, now, now, now)
        self.earlierSeconds = earlierSeconds
        self.peak = peak
        self.benchmarkEpochs = benchmarkEpochs
    }

    /// Seconds of training, earlier runs included.
    var totalSeconds: Double { earlierSeconds + (ContinuousClock.now - began).inSeconds }

    /// Seconds of an update lately: an average over about the last twenty; `nil` before the first.
    var secondsPerUpdate: Double? { pace.weight > 0 ? pace.seconds / pace.weight : nil }

    /// Counts an update that has just been made.
    ///
    /// - Parameters:
    ///   - sums: Its sums.
    ///   - waitSeconds: How long training has waited for data since the job began.
    ///   - now: When it was made.
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

    /// Ends a lap of some updates, and begins the next.
    ///
    /// - Returns: How fast the lap was.
    mutating func endLap() -> Rates {
        defer { lap = Counts() }
        return Rates(lap, peak: peak)
    }

    /// How fast the last epochs of this job were, the unfinished one only if there is no other; `nil` before any update.
    var benchmark: (counts: Counts, rates: Rates)? {
        let sum = (epochs.isEmpty ? [epoch] : epochs).reduce(into: Counts()) { $0 += $1 }
        return sum.updates > 0 ? (sum, Rates(sum, peak: peak)) : nil
    }

    /// Leaves time out: validation and saving are not training.
    mutating func exclude(since start: ContinuousClock.Instant, until end: ContinuousClock.Instant = .now) {
        lastCount += end - start
    }
}
