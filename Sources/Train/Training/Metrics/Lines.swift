import Foundation
import W2VBase
import W2VCorpus
import W2VObjectives

/// Formats a training record as a line for people.
func progressLine(_ record: TrainRecord, _ metrics: [Metric], _ sums: MetricSums, of total: Int) -> String {
    let fields = record.fields
    // Numbers of equal width stand below each other.
    var parts = [
        "update \(padded("\(fields.update)", "\(total)".count))/\(total)", "epoch \(fields.epoch + 1)",
        "loss \(padded(short(fields.loss)))",
    ]
    parts += metrics.compactMap { $0.text(in: sums, isPadded: true) }
    parts.append("gradient \(padded(short(fields.gradNorm)))")
    if let scale = fields.lossScale { parts.append("loss scale \(short(scale))") }
    if let skipped = fields.skippedUpdates, skipped > 0 { parts.append("skipped \(skipped)") }
    parts.append("lr \(String(format: "%.2e", fields.lr))")
    parts.append("\(short(fields.audioSecondsPerSecond)) s of audio/s")
    if let utilisation = fields.utilisation { parts.append("utilization \(short(utilisation * 100)) %") }
    if fields.dataWaitShare > 0.05 { parts.append("waiting for data \(short(fields.dataWaitShare * 100)) %") }
    parts.append("ETA \(ReadableText.duration(fields.etaSeconds ?? .infinity))")
    return parts.joined(separator: " · ")
}

extension Metric {
    /// Formats the metric with its value for people; `nil` if it has no value or is not shown.
    fileprivate func text(in sums: MetricSums, isPadded: Bool = false) -> String? {
        guard let label, let value = sums.value(name), value.isFinite else { return nil }
        if reduction == .histogram {
            return "\(Int(value)) of \(sums.bins(name).reduce(0) { $0 + $1.count }) \(label)"
        }
        let number = short(format == .percent ? value * 100 : value)
        return "\(label) \(isPadded ? padded(number) : number)\(format == .percent ? " %" : "")"
    }
}

/// Formats the progress of training, for a single line of a terminal.
func liveLine(update: Int, of total: Int, secondsPerUpdate: Double, remaining: Double) -> String {
    "update \(update)/\(total) · \(short(secondsPerUpdate)) s an update · ETA \(ReadableText.duration(remaining))"
}

/// Formats a validation result as a line for people.
///
/// - Parameters:
///   - result: The result.
///   - weights: Which weights were evaluated, if not the model's own.
///   - metrics: The metrics that the result may contain.
///   - chooser: The metric that selects the best checkpoint; its absence is reported.
///   - manifest: The held-out recordings.
///   - update: The update after which it was measured.
///   - isBest: Whether it is the best result so far.
///   - seconds: Duration of the evaluation.
func validationLine(
    _ result: ValidationTally, of weights: String? = nil, _ metrics: [Metric], chosenBy chooser: String,
    manifest: Manifest, update: Int, isBest: Bool, seconds: Double
) -> String {
    let sums = result.statistics.metrics
    var parts = [
        "validation after update \(update)" + (weights.map { " of \($0)" } ?? ""),
        URL(fileURLWithPath: manifest.name).lastPathComponent,
        "loss \(short(result.statistics.meanLoss))",
    ]
    parts += metrics.compactMap { $0.text(in: sums) }
    if let metric = metrics.first(where: { $0.name == chooser }), sums.value(chooser) == nil {
        parts.append("no \(metric.label ?? chooser): its transcripts have no words")
    }
    if isBest { parts.append("best so far") }
    parts.append("in \(ReadableText.duration(seconds))")
    return parts.joined(separator: " · ")
}

/// Returns a text with spaces before it, up to a width.
private func padded(_ text: String, _ width: Int = 8) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

/// Formats a number with four significant digits.
func short(_ number: Double) -> String { String(format: "%.4g", number) }
