import Corpus
import Foundation

/// A train record as a line for people.
func progressLine(_ record: TrainRecord, of total: Int) -> String {
    var parts = ["update \(record.update)/\(total)", "epoch \(record.epoch + 1)", "loss \(short(record.loss))"]
    if let accuracy = record.accuracy { parts.append("accuracy \(short(accuracy * 100)) %") }
    if let perplexity = record.codePerplexity { parts.append("codes \(short(perplexity))") }
    parts.append("gradient \(short(record.gradNorm))")
    if let scale = record.lossScale { parts.append("loss scale \(short(scale))") }
    if let skipped = record.skippedUpdates, skipped > 0 { parts.append("skipped \(skipped)") }
    parts.append("lr \(String(format: "%.2e", record.lr))")
    parts.append("\(short(record.audioSecondsPerSecond)) s of audio/s")
    if let utilisation = record.utilisation { parts.append("utilisation \(short(utilisation * 100)) %") }
    if record.dataWaitShare > 0.05 { parts.append("waiting for data \(short(record.dataWaitShare * 100)) %") }
    parts.append("ETA \(spoken(seconds: record.etaSeconds ?? .infinity))")
    return parts.joined(separator: " · ")
}

/// How far training is, for one place on a terminal.
func liveLine(update: Int, of total: Int, secondsPerUpdate: Double, remaining: Double) -> String {
    "update \(update)/\(total) · \(short(secondsPerUpdate)) s an update · ETA \(spoken(seconds: remaining))"
}

/// A validation result as a line for people.
func validationLine(
    _ result: ValidationResult, of weights: String? = nil, pretrains: Bool, manifest: Manifest, update: Int,
    isBest: Bool,
    seconds: Double
) -> String {
    let sums = result.statistics
    var parts = [
        "validation after update \(update)" + (weights.map { " of \($0)" } ?? ""), manifest.name,
        "loss \(short(sums.mean(sums.loss)))",
    ]
    if let wer = result.wer { parts.append("WER \(short(wer * 100)) %") }
    if let cer = result.cer { parts.append("CER \(short(cer * 100)) %") }
    if pretrains {
        parts.append("accuracy \(short(sums.mean(Double(sums.correct)) * 100)) %")
    } else if result.wer == nil {
        parts.append("no WER: its transcripts have no words")
    }
    if let used = result.codesUsed { parts.append("\(used.used) of \(used.entries) codes used") }
    if isBest { parts.append("best so far") }
    parts.append("in \(spoken(seconds: seconds))")
    return parts.joined(separator: " · ")
}

/// A number with four significant digits.
func short(_ number: Double) -> String { String(format: "%.4g", number) }
