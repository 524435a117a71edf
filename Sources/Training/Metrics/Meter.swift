import Corpus
import Foundation

/// Measures how fast training goes, validation and saving left out.
struct Meter {
    /// When the state was last saved.
    var lastSave = ContinuousClock.now
    /// When validation last ended.
    var lastValidation = ContinuousClock.now
    private let earlierSeconds: Double
    private let began = ContinuousClock.now
    private var lapBegan = ContinuousClock.now
    private var lastWait = 0.0

    /// What one lap was like.
    struct Lap {
        var seconds: Double
        var waitShare: Double
        var secondsPerUpdate: Double
    }

    /// Starts measuring.
    ///
    /// - Parameter earlierSeconds: What runs before this one took.
    init(earlierSeconds: Double) {
        self.earlierSeconds = earlierSeconds
    }

    /// Seconds of training, earlier runs included.
    var totalSeconds: Double { earlierSeconds + (ContinuousClock.now - began).inSeconds }

    /// Ends a lap of some updates, and begins the next.
    mutating func lap(waitSeconds: Double, _ updates: Int) -> Lap {
        let now = ContinuousClock.now
        let seconds = max(1e-9, (now - lapBegan).inSeconds)
        let waited = waitSeconds - lastWait
        lapBegan = now
        lastWait = waitSeconds
        return Lap(
            seconds: seconds, waitShare: min(1, waited / seconds), secondsPerUpdate: seconds / Double(max(1, updates)))
    }

    /// Leaves time out of the lap: validation and saving are not training.
    mutating func exclude(since start: ContinuousClock.Instant) {
        lapBegan += ContinuousClock.now - start
    }
}

/// A train record as a line for people.
func progressLine(_ record: TrainRecord, of total: Int, remaining: Double) -> String {
    var parts = ["update \(record.update)/\(total)", "epoch \(record.epoch + 1)", "loss \(short(record.loss))"]
    if let accuracy = record.accuracy { parts.append("accuracy \(short(accuracy * 100)) %") }
    if let perplexity = record.codePerplexity { parts.append("codes \(short(perplexity))") }
    parts.append("gradient \(short(record.gradNorm))")
    if let scale = record.lossScale { parts.append("loss scale \(short(scale))") }
    if let skipped = record.skippedUpdates, skipped > 0 { parts.append("skipped \(skipped)") }
    parts.append("lr \(String(format: "%.2e", record.lr))")
    parts.append("\(short(record.audioSecondsPerSecond)) s of audio/s")
    if record.dataWaitShare > 0.05 { parts.append("waiting for data \(short(record.dataWaitShare * 100)) %") }
    parts.append("ETA \(spoken(seconds: remaining))")
    return parts.joined(separator: " · ")
}

/// A validation result as a line for people.
func validationLine(
    _ result: ValidationResult, manifest: Manifest, update: Int, isBest: Bool, seconds: Double
) -> String {
    let sums = result.statistics
    var parts = ["validation after update \(update)", manifest.name, "loss \(short(sums.mean(sums.loss)))"]
    if let wer = result.wer { parts.append("WER \(short(wer * 100)) %") }
    if let cer = result.cer { parts.append("CER \(short(cer * 100)) %") }
    if result.wer == nil { parts.append("accuracy \(short(sums.mean(Double(sums.correct)) * 100)) %") }
    if isBest { parts.append("best so far") }
    parts.append("in \(spoken(seconds: seconds))")
    return parts.joined(separator: " · ")
}

/// A number with four significant digits.
private func short(_ number: Double) -> String { String(format: "%.4g", number) }
