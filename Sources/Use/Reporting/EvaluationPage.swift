/// A page on how well a model recognizes a test set.
///
/// Everything except the title may be empty: a part without content is omitted.
public struct EvaluationPage: Sendable {
    /// The title.
    public var title: String
    /// A description of the evaluation, in plain paragraphs.
    public var introduction: [String] = []
    /// The most important figures.
    public var keyFigures: [KeyFigure] = []
    /// The errors by kind.
    public var errors: ReportTable?
    /// The number of utterances by share of wrong words, from the best to the worst.
    public var distribution: [(name: String, count: Int)] = []
    /// Rates of groups of utterances, such as speakers: each table with the tag that defines the groups.
    public var groups: [(tag: String, table: ReportTable)] = []
    /// The most frequent errors.
    public var confusions: ReportTable?
    /// The utterances with the most errors, the worst first.
    public var worst: [TranscriptTable.Row] = []
    /// The utterances in the manifest's order.
    public var utterances: [TranscriptTable.Row] = []
    /// A note on which utterances are shown.
    public var utterancesNote = ""
    /// Further facts: model, manifest, versions.
    public var facts: [(name: String, value: String)] = []

    /// Makes a page with only a title; set the other properties next.
    public init(title: String) {
        self.title = title
    }

    /// Returns the whole page as a self-contained HTML document.
    public func html() -> String {
        var blocks: [ReportBlock] = introduction.map { .paragraph($0) }
        if !keyFigures.isEmpty { blocks.append(.figures(keyFigures)) }
        if let errors { blocks += [.heading("Errors by kind"), .table(errors)] }
        for (tag, table) in groups { blocks += [.heading("By \(tag)"), .table(table)] }
        if !distribution.isEmpty {
            blocks += [.heading("Where the errors are"), .charts([distributionChart])]
        }
        if let confusions { blocks += [.heading("The most frequent errors"), .table(confusions)] }
        if !worst.isEmpty {
            blocks += [.heading("The worst utterances"), .transcripts(TranscriptTable(rows: worst))]
        }
        if !utterances.isEmpty {
            blocks.append(.heading("Utterances"))
            if !utterancesNote.isEmpty { blocks.append(.paragraph(utterancesNote)) }
            blocks.append(.transcripts(TranscriptTable(rows: utterances, showsKey: worst.isEmpty)))
        }
        if !facts.isEmpty { blocks += [.heading("Facts"), .facts(facts)] }
        return ReportPage(title: title, blocks: blocks).html()
    }

    private var distributionChart: BarChart {
        BarChart(
            title: "Utterances by their share of wrong words",
            subtitle: "how many utterances have a word error rate within the bounds",
            bars: [(name: "utterances", color: 0)],
            groups: distribution.map { BarChart.Group(name: $0.name, values: [Double($0.count)]) })
    }
}
