/// A metric as a run's log declares it, in a line of the kind `metrics`.
public struct DeclaredMetric: Sendable, Equatable, Decodable {
    /// The key in the other lines.
    public var name: String
    /// The heading of its chart.
    public var title: String
    /// How values are written: `number` or `percent`.
    public var format: String
    /// Which values are better: `lower` or `higher`; nil where neither is.
    public var better: String?
    /// Its name in the console's lines; nil for a metric that only the log has.
    public var label: String?

    /// Declares a metric.
    public init(name: String, title: String, format: String = "number", better: String? = nil, label: String? = nil) {
        self.name = name
        self.title = title
        self.format = format
        self.better = better
        self.label = label
    }

    /// How a chart writes values.
    var valueFormat: ValueFormat { format == "percent" ? .percent : .number }

    /// Which values are better, in words; empty where neither is.
    var direction: String { better.map { "\($0) is better" } ?? "" }

    /// The metrics of runs whose logs declare none: those of version 0.1.
    static let undeclared = [
        DeclaredMetric(name: "loss", title: "Loss", better: "lower"),
        DeclaredMetric(name: "accuracy", title: "Accuracy", format: "percent", better: "higher", label: "accuracy"),
        DeclaredMetric(name: "code_perplexity", title: "Code perplexity", better: "higher", label: "codes"),
        DeclaredMetric(name: "cer", title: "Character error rate", format: "percent", better: "lower", label: "CER"),
        DeclaredMetric(name: "wer", title: "Word error rate", format: "percent", better: "lower", label: "WER"),
        DeclaredMetric(name: "uer", title: "Unit error rate", format: "percent", better: "lower"),
        DeclaredMetric(name: "raw_wer", title: "Raw word error rate", format: "percent", better: "lower"),
    ]
}
