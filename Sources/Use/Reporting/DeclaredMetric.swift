/// A metric as declared in a run's log, in a line of the kind `metrics`.
public struct DeclaredMetric: Sendable, Equatable, Decodable {
    /// The key in the other lines.
    public var name: String
    /// The heading of its chart.
    public var title: String
    /// The format of values: `number` or `percent`.
    public var format: String
    /// The direction in which values improve: `lower` or `higher`; nil if there is none.
    public var better: String?
    /// Its name in the console's lines; nil for a metric that appears only in the log.
    public var label: String?

    /// Declares a metric.
    public init(name: String, title: String, format: String = "number", better: String? = nil, label: String? = nil) {
        self.name = name
        self.title = title
        self.format = format
        self.better = better
        self.label = label
    }

    /// The format of values in charts.
    var valueFormat: ValueFormat { format == "percent" ? .percent : .number }

    /// The direction in which values improve, in words; empty if there is none.
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
