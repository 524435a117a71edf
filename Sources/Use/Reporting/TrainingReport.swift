/// The story of a model from recordings to transcripts, as one page.
///
/// Everything except the title may be empty: a part without content is omitted.
public struct TrainingReport: Sendable {
    /// The title.
    public var title: String
    /// A description of the work, in plain paragraphs.
    public var introduction: [String] = []
    /// The most important figures.
    public var keyFigures: [KeyFigure] = []
    /// The pre-training's metrics.
    public var pretraining: MetricsSeries?
    /// The metrics of fine-tuning the pre-trained model.
    public var finetuning: MetricsSeries?
    /// The metrics of the same fine-tuning from random weights.
    public var scratch: MetricsSeries?
    /// Test error rates as fractions: the pre-trained model beside the one from random weights.
    public var comparison: [(name: String, pretrained: Double, scratch: Double)] = []
    /// Plain paragraphs that judge the comparison.
    public var verdict: [String] = []
    /// Recordings with their recognized words.
    public var waveforms: [WaveformPicture] = []
    /// Test utterances with their alignments.
    public var examples: [TranscriptTable.Row] = []
    /// Further facts: machine, versions, sizes, commands.
    public var facts: [(name: String, value: String)] = []

    private static let pretrainedName = "pre-trained"
    private static let scratchName = "random weights"

    /// Makes a report with only a title; set the other properties next.
    public init(title: String) {
        self.title = title
    }

    /// Returns the whole page as a self-contained HTML document.
    public func html() -> String {
        page().html()
    }

    /// Returns the page's parts, to which others can be added.
    public func page() -> ReportPage {
        var blocks: [ReportBlock] = introduction.map { .paragraph($0) }
        if !keyFigures.isEmpty { blocks.append(.figures(keyFigures)) }
        if !comparison.isEmpty || !verdict.isEmpty {
            blocks.append(.heading("Effect of pre-training"))
            blocks += verdict.map { .paragraph($0) }
            if !comparison.isEmpty { blocks.append(.charts([comparisonChart])) }
        }
        if !waveforms.isEmpty || !examples.isEmpty {
            blocks.append(.heading("Test recordings"))
            blocks += waveforms.map { .waveform($0) }
            if !examples.isEmpty { blocks.append(.transcripts(TranscriptTable(rows: examples))) }
        }
        if let pretraining {
            blocks.append(.heading("Pre-training without transcripts"))
            blocks.append(.charts(Self.pretrainingCharts(pretraining)))
        }
        if finetuning != nil || scratch != nil {
            blocks.append(.heading("Fine-tuning with CTC"))
            blocks.append(.charts(finetuningCharts))
        }
        if !facts.isEmpty {
            blocks.append(.heading("Setup"))
            blocks.append(.facts(facts))
        }
        return ReportPage(title: title, blocks: blocks)
    }

    private var comparisonChart: BarChart {
        BarChart(
            title: "Error rates on the test recordings", subtitle: "lower is better",
            bars: [(Self.pretrainedName, 0), (Self.scratchName, 1)],
            groups: comparison.map { BarChart.Group(name: $0.name, values: [$0.pretrained, $0.scratch]) },
            format: .percent)
    }

    private static func pretrainingCharts(_ metrics: MetricsSeries) -> [any ReportChart] {
        let charts =
            [
                curves(metrics, title: "Loss", subtitle: "contrastive loss with its penalties", field: "loss"),
                curves(
                    metrics, title: "Accuracy", subtitle: "masked frames whose true code scores highest",
                    field: "accuracy",
                    format: .percent),
                perplexities(metrics),
                curves(
                    metrics, title: "Gradient norm", subtitle: "before clipping", field: "grad_norm", logarithmic: true),
            ] + declared(metrics, besides: ["accuracy", "code_perplexity"])
        // The loss is always shown, and says so if nothing was recorded.
        return charts.enumerated().filter { $0 == 0 || $1.series.contains { !$0.points.isEmpty } }.map(\.element)
    }

    /// Returns the other metrics of a run that the console shows.
    private static func declared(_ metrics: MetricsSeries, besides shown: Set<String>) -> [LineChart] {
        metrics.declared.filter { $0.label != nil && !shown.contains($0.name) }.map { metric in
            curves(
                metrics, title: metric.title, subtitle: metric.direction, field: metric.name,
                format: metric.valueFormat)
        }
    }

    /// Returns training and validation values of one field.
    private static func curves(
        _ metrics: MetricsSeries, title: String, subtitle: String, field: String, logarithmic: Bool = false,
        format: ValueFormat = .number
    ) -> LineChart {
        let all = [
            ChartSeries(name: "training", points: metrics.points(kind: "train", field: field), color: 0),
            ChartSeries(name: "validation", points: metrics.points(kind: "valid", field: field), color: 2),
        ]
        return LineChart(
            title: title, subtitle: subtitle, series: all.filter { !$0.points.isEmpty }, logarithmic: logarithmic,
            format: format)
    }

    private static func perplexities(_ metrics: MetricsSeries) -> LineChart {
        let all = [("code_perplexity", "chosen codes", 0), ("prob_perplexity", "code probabilities", 2)].map { field in
            ChartSeries(name: field.1, points: metrics.points(kind: "train", field: field.0), color: field.2)
        }
        return LineChart(
            title: "Code perplexity", subtitle: "how many code vectors are in use, over all groups",
            series: all.filter { !$0.points.isEmpty })
    }

    private var finetuningCharts: [any ReportChart] {
        let shown: Set = ["cer", "wer"]
        let others = (finetuning ?? scratch)?.declared.filter { $0.label != nil && !shown.contains($0.name) } ?? []
        return [
            runs(title: "Training loss", subtitle: "CTC loss", kind: "train", field: "loss"),
            runs(title: "Validation loss", subtitle: "CTC loss", kind: "valid", field: "loss"),
            runs(
                title: "Character error rate", subtitle: "validation recordings", kind: "valid", field: "cer",
                format: .percent),
            runs(
                title: "Word error rate", subtitle: "validation recordings", kind: "valid", field: "wer",
                format: .percent),
        ]
            + others.map { metric in
                runs(
                    title: metric.title, subtitle: "training" + (metric.better.map { "; \($0) is better" } ?? ""),
                    kind: "train", field: metric.name, format: metric.valueFormat)
            }
    }

    /// Returns one field of both fine-tuning runs; each keeps its color in every chart.
    private func runs(
        title: String, subtitle: String, kind: String, field: String, format: ValueFormat = .number
    ) -> LineChart {
        var series: [ChartSeries] = []
        if let finetuning {
            series.append(
                ChartSeries(name: Self.pretrainedName, points: finetuning.points(kind: kind, field: field), color: 0))
        }
        if let scratch {
            series.append(
                ChartSeries(name: Self.scratchName, points: scratch.points(kind: kind, field: field), color: 1))
        }
        // The curves are the first set's: if there are others, the reader must know which one that is.
        let sets = (finetuning ?? scratch)?.sets(kind: kind) ?? []
        let subtitle = sets.count > 1 ? "\(subtitle): \(sets[0]), the first of \(sets.count) sets" : subtitle
        return LineChart(title: title, subtitle: subtitle, series: series, format: format)
    }
}
