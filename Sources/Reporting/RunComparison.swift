/// Runs of the same task side by side: one chart a field, one curve a run.
public struct RunComparison: Sendable {
    /// The runs' names and metrics.
    public var runs: [(name: String, metrics: MetricsSeries)]
    /// The kind of records that are compared: `train`, `valid` or another.
    public var kind: String

    /// What is compared when nothing is asked for, in this order, as far as a run has it.
    public static let usualFields = ["loss", "accuracy", "code_perplexity", "cer", "wer"]

    private static let titles = [
        "loss": "Loss", "accuracy": "Accuracy", "code_perplexity": "Code perplexity", "cer": "Character error rate",
        "wer": "Word error rate", "uer": "Unit error rate", "raw_wer": "Raw word error rate",
    ]

    /// Makes a comparison.
    ///
    /// - Parameters:
    ///   - runs: The runs' names and metrics.
    ///   - kind: The kind of records that are compared.
    public init(runs: [(name: String, metrics: MetricsSeries)], kind: String = "valid") {
        self.runs = runs
        self.kind = kind
    }

    /// The usual fields that some run has.
    public var fields: [String] {
        Self.usualFields.filter { field in runs.contains { !$0.metrics.points(kind: kind, field: field).isEmpty } }
    }

    /// The chart of a field.
    ///
    /// - Parameter field: The field's name in the records.
    /// - Returns: A chart with a curve for every run that has the field.
    public func chart(_ field: String) -> LineChart {
        let series = runs.enumerated().map { index, run in
            ChartSeries(name: run.name, points: run.metrics.points(kind: kind, field: field), color: index)
        }
        let isShare = field == "accuracy" || field.hasSuffix("er")
        let subtitle = ["train": "training", "valid": "validation"][kind] ?? kind
        return LineChart(
            title: Self.titles[field] ?? field, subtitle: subtitle, series: series.filter { !$0.points.isEmpty },
            format: isShare ? .percent : .number)
    }
}
