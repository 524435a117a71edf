import Foundation
import W2VBase
import W2VObjectives

/// The values of metrics among the other fields of a record.
struct MetricValues: Encodable, Equatable {
    /// The values by name, without NaN and infinite ones, which JSON cannot represent.
    let values: [String: Double]

    init(_ sums: MetricSums) {
        values = Dictionary(
            uniqueKeysWithValues: sums.names.compactMap { name in
                sums.value(name).flatMap { $0.isFinite ? (name, $0) : nil }
            })
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        for (name, value) in values { try container.encode(value, forKey: Key(stringValue: name)) }
    }
}

/// A line of `metrics.jsonl`: the fields of every run, and the objectives' metrics.
struct MeasuredRecord<Fields: Encodable>: Encodable {
    /// The fields of every run.
    var fields: Fields
    /// The objectives' metrics.
    var metrics: MetricValues

    func encode(to encoder: any Encoder) throws {
        try fields.encode(to: encoder)
        try metrics.encode(to: encoder)
    }
}

/// A line of `metrics.jsonl` about training, averaged over the updates since the previous line.
///
/// Losses are in nats: per masked frame in pre-training, per sentence in fine-tuning.
typealias TrainRecord = MeasuredRecord<TrainFields>

/// The training fields of every run.
struct TrainFields: Encodable {
    var kind = "train"
    var update: Int
    /// The last update's epoch, from 0.
    var epoch: Int
    var loss: Double
    var gradNorm: Double
    var lr: Double
    /// The loss scale in half precision.
    var lossScale: Double?
    /// Updates of this line that were skipped because their gradients overflowed.
    var skippedUpdates: Int?
    var audioSecondsPerSecond: Double
    var framesPerSecond: Double
    var maskedFramesPerSecond: Double
    /// The model's operations relative to those of a large matrix product in the same time.
    var utilisation: Double?
    var dataWaitShare: Double
    var peakRssMb: Double
    /// Estimated seconds until the end at the present speed, without validation and saving.
    var etaSeconds: Double?
    /// Seconds of training so far, over all jobs of the run.
    var seconds: Double
}

extension MeasuredRecord<TrainFields> {
    /// Summarizes updates.
    ///
    /// - Parameters:
    ///   - sums: The updates' sums.
    ///   - rates: Their speed.
    ///   - update: The last of the updates.
    ///   - epoch: Its epoch, from 0.
    ///   - learningRate: Its learning rate.
    ///   - lossScale: Its loss scale; `nil` if losses are not scaled.
    ///   - etaSeconds: Estimated seconds until the end.
    ///   - seconds: Seconds of training so far.
    init(
        _ sums: Statistics, _ rates: Meter.Rates, update: Int, epoch: Int, learningRate: Double, lossScale: Double?,
        etaSeconds: Double?, seconds: Double
    ) {
        fields = TrainFields(
            update: update, epoch: epoch, loss: sums.meanLoss,
            gradNorm: sums.gradientNorm / Double(max(1, sums.updates - sums.skippedUpdates)), lr: learningRate,
            lossScale: lossScale, skippedUpdates: lossScale.map { _ in sums.skippedUpdates },
            audioSecondsPerSecond: rates.audioSecondsPerSecond, framesPerSecond: rates.framesPerSecond,
            maskedFramesPerSecond: rates.maskedFramesPerSecond, utilisation: rates.utilisation,
            dataWaitShare: rates.waitShare, peakRssMb: peakResidentMegabytes(), etaSeconds: etaSeconds,
            seconds: seconds)
        metrics = MetricValues(sums.metrics)
    }

    /// The names that metrics cannot have.
    static var fieldNames: Set<String> {
        names(
            TrainFields(
                update: 0, epoch: 0, loss: 0, gradNorm: 0, lr: 0, lossScale: 0, skippedUpdates: 0,
                audioSecondsPerSecond: 0,
                framesPerSecond: 0, maskedFramesPerSecond: 0, utilisation: 0, dataWaitShare: 0, peakRssMb: 0,
                etaSeconds: 0,
                seconds: 0))
    }
}

/// Returns the keys of a record in the log.
private func names(_ fields: some Encodable) -> Set<String> {
    Set((try? JSONValue(encoding: fields))?.object?.keys ?? [])
}

/// A line of `metrics.jsonl` about a validation set.
typealias ValidRecord = MeasuredRecord<ValidFields>

/// The validation fields of every run.
struct ValidFields: Encodable {
    /// `valid`, or `valid_ema` for averaged weights.
    var kind: String
    var update: Int
    /// The update's epoch, from 0.
    var epoch: Int
    /// The manifest.
    var name: String
    var utterances: Int
    /// The loss; absent if it is NaN or infinite, which JSON cannot represent.
    var loss: Double?
    /// Whether the set selects the best checkpoint, and this is the best result so far.
    var best: Bool
    /// Seconds of training so far.
    var seconds: Double
}

extension MeasuredRecord<ValidFields> {
    /// Summarizes a validation.
    ///
    /// - Parameters:
    ///   - result: The measured result.
    ///   - kind: `valid`, or `valid_ema` for averaged weights.
    ///   - name: The manifest.
    ///   - update: The update after which it was measured.
    ///   - epoch: Its epoch, from 0.
    ///   - best: Whether it is the best result so far.
    ///   - seconds: Seconds of training so far.
    init(
        _ result: ValidationTally, kind: String = "valid", name: String, update: Int, epoch: Int, best: Bool,
        seconds: Double
    ) {
        let loss = result.statistics.meanLoss
        fields = ValidFields(
            kind: kind, update: update, epoch: epoch, name: name, utterances: result.utterances,
            loss: loss.isFinite ? loss : nil, best: best, seconds: seconds)
        metrics = MetricValues(result.statistics.metrics)
    }

    /// The names that metrics cannot have.
    static var fieldNames: Set<String> {
        names(
            ValidFields(kind: "", update: 0, epoch: 0, name: "", utterances: 0, loss: 0, best: false, seconds: 0))
    }
}

/// The line of `metrics.jsonl` that declares the objectives' metrics, for reports and learning curves.
struct MetricsRecord: Codable, Equatable {
    var kind = "metrics"
    var update: Int
    var metrics: [Metric]
}

/// A line of `metrics.jsonl` with a warning.
struct WarningRecord: Encodable {
    var kind = "warning"
    var update: Int
    /// A short name for scripts.
    var topic: String
    var message: String
}

/// The line of `metrics.jsonl` at the end of a job: the speed of its last epochs, without validation and saving.
struct BenchmarkRecord: Encodable {
    var kind = "benchmark"
    var update: Int
    var updates: Int
    var secondsPerUpdate: Double
    var audioSecondsPerSecond: Double
    var framesPerSecond: Double
    var maskedFramesPerSecond: Double
    var utilisation: Double?
    var dataWaitShare: Double
    var peakRssMb: Double

    /// Summarizes a meter's measurements.
    init(_ counts: Meter.Counts, _ rates: Meter.Rates, update: Int) {
        self.update = update
        updates = counts.updates
        secondsPerUpdate = counts.seconds / Double(max(1, counts.updates))
        audioSecondsPerSecond = rates.audioSecondsPerSecond
        framesPerSecond = rates.framesPerSecond
        maskedFramesPerSecond = rates.maskedFramesPerSecond
        utilisation = rates.utilisation
        dataWaitShare = rates.waitShare
        peakRssMb = peakResidentMegabytes()
    }
}
