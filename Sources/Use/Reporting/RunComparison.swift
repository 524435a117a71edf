/// Runs of the same task side by side: one chart per field, one curve per run.
public struct RunComparison: Sendable {
    /// The runs' names and metrics.
    public var runs: [(name: String, metrics: MetricsSeries)]
    /// The kind of records to compare: `train`, `valid` or another.
    public var kind: String

    /// Makes a comparison.
    ///
    /// - Parameter kind: The kind of records to compare.
    public init(runs: [(name: String, metrics: MetricsSeries)], kind: String = "valid") {
        self.runs = runs
        self.kind = kind
    }

    /// The metrics of the runs, with those common to all programs of this kind first.
    private var metrics: [DeclaredMetric] {
        let declared = runs.flatMap(\.metrics.declared)
        let known = DeclaredMetric.undeclared.map { known in declared.first { $0.name == known.name } ?? known }
        return declared.reduce(into: known) { all, metric in
            if !all.contains(where: { $0.name == metric.name }) { all.append(metric) }
        }
    }

    /// The fields that are compared by default: the loss and the metrics that the console shows, of any run.
    public var fields: [String] {
        metrics.filter { $0.name == "loss" || $0.label != nil }.map(\.name).filter { field in
            runs.contains { !$0.metrics.points(kind: kind, field: field).isEmpty }
        }
    }

    /// Returns the chart of a field.
    ///
    /// - Parameter field: The field's name in the records.
    /// - Returns: A chart with a curve for every run that has the field.
    public func chart(_ field: String) -> LineChart {
        let series = runs.enumerated().map { index, run in
            ChartSeries(name: run.name, points: run.metrics.points(kind: kind, field: field), color: index)
        }
        let metric = metrics.first { $0.name == field }
        let subtitle = ["train": "training", "valid": "validation"][kind] ?? kind
        return LineChart(
            title: metric?.title ?? field, subtitle: subtitle, series: series.filter { !$0.points.isEmpty },
            format: metric?.valueFormat ?? .number)
    }
}
