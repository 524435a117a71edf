import Foundation
import W2VBase
import W2VObjectives

/// A run's logs: `metrics.jsonl`, and the same values as TensorBoard's event files.
final class RunLog {
    /// The name of the event files' folder in the run's folder.
    static let tensorBoardName = "tensorboard"

    private let lines: TrainingLog
    private let folder: URL
    private let update: Int
    private let repeatsValidation: Bool
    private let writesEvents: Bool
    private var files: [String: EventFile] = [:]

    /// Opens the logs, dropping records of later updates than the one that the run resumes from: they will be written
    /// again.
    ///
    /// - Parameters:
    ///   - folder: The run's folder.
    ///   - update: The update to continue after; 0 starts empty logs.
    ///   - repeatsValidation: Whether the records of the validation after that update are dropped too.
    ///   - recipe: The resolved recipe, shown as text.
    ///   - metrics: The metrics that the objectives report.
    ///   - writesEvents: Whether there are event files.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    init(
        _ folder: URL, after update: Int, repeatsValidation: Bool = false, recipe: String, metrics: [Metric] = [],
        writesEvents: Bool
    ) throws {
        lines = try TrainingLog(folder, after: update, repeatsValidation: repeatsValidation)
        self.folder = folder.appendingPathComponent(Self.tensorBoardName, isDirectory: true)
        self.update = update
        self.repeatsValidation = repeatsValidation
        self.writesEvents = writesEvents
        if lines.declaredMetrics ?? [] != metrics { try lines.write(MetricsRecord(update: update, metrics: metrics)) }
        try events("train", [("recipe", .text("```yaml\n\(recipe)```"))], update: update)
    }

    /// Writes the run's hyperparameters for TensorBoard's HParams page, which compares runs.
    ///
    /// - Parameters:
    ///   - values: The recipe's keys and values.
    ///   - update: The update that the job continues after.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func write(hyperparameters values: [(key: String, value: HyperparameterValue)], update: Int) throws {
        // In the folder above the series, so that the numbers of all of them belong to the run.
        try events("", [("_hparams_/session_start_info", .hyperparameters(values))], update: update)
    }

    /// The seconds of training that earlier jobs' lines record.
    var earlierSeconds: Double { lines.earlierSeconds }
    /// Number of their lines that could not be read and were dropped.
    var damagedLines: Int { lines.damagedLines }

    /// Writes a line, and its numbers as scalars.
    ///
    /// - Parameters:
    ///   - record: The line.
    ///   - series: The event files' folder; `nil` to write only the line.
    ///   - update: The update that it is about.
    ///   - histograms: Histograms to show with it.
    ///   - texts: Texts to show with it.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func write(
        _ record: some Encodable, series: String?, update: Int, histograms: [(tag: String, Histogram)] = [],
        texts: [(tag: String, value: EventFile.Value)] = []
    ) throws {
        try lines.write(record)
        guard let series, writesEvents else { return }
        let values = try scalars(record).map { (tag: $0.key, value: EventFile.Value.scalar($0.value)) }
        try events(series, values + histograms.map { ($0.tag, .histogram($0.1)) } + texts, update: update)
    }

    /// Writes histograms to the event files only.
    ///
    /// - Parameters:
    ///   - histograms: Each with its tag.
    ///   - series: The event files' folder.
    ///   - update: The update that they are about.
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func write(_ histograms: [(tag: String, Histogram)], series: String, update: Int) throws {
        try events(series, histograms.map { ($0.tag, .histogram($0.1)) }, update: update)
    }

    private func events(_ series: String, _ values: [(tag: String, value: EventFile.Value)], update: Int) throws {
        guard writesEvents else { return }
        let isRepeated = repeatsValidation && series != "train"
        let file =
            try files[series]
            ?? EventFile(
                series.isEmpty ? folder : folder.appendingPathComponent(series),
                after: self.update - (isRepeated ? 1 : 0))
        files[series] = file
        try file.write(values, update: update)
    }

    /// Returns a record's numbers; speeds get a heading of their own.
    private func scalars(_ record: some Encodable) throws -> [(key: String, value: Double)] {
        let members = try JSONValue(encoding: record).object ?? [:]
        return members.compactMap { key, value -> (String, Double)? in
            guard key != "update", key != "utterances", let number = value.double else { return nil }
            let isSpeed = Self.speeds.contains { key.contains($0) }
            return (isSpeed ? "speed/\(key)" : key, number)
        }.sorted { $0.0 < $1.0 }
    }

    private static let speeds = ["second", "utilisation", "data_wait_share", "peak_rss_mb"]
}
