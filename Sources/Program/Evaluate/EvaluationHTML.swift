import W2VDecoding
import W2VRecognition
import W2VReporting
import W2VTorch

extension EvaluationText {
    /// The maximum number of utterances to show, in addition to the worst ones.
    private static let shown = 500

    /// Makes the page that `evaluate --report` writes.
    ///
    /// - Parameters:
    ///   - title: The page's title.
    ///   - facts: Names and values of the evaluation's model, data and settings.
    func page(title: String, facts: [(name: String, value: String)]) -> EvaluationPage {
        var page = EvaluationPage(title: title)
        let (errors, intervals) = (evaluation.errors, evaluation.intervals(bootstrap))
        page.introduction = [introduction] + [evaluation.unwritable.warning].compactMap { $0 }
        func figure(_ label: String, _ rate: Double?, _ interval: ConfidenceInterval?) -> KeyFigure {
            KeyFigure(label: label, value: percentage(rate), note: interval.map { "\(level): \(Self.range($0))" } ?? "")
        }
        page.keyFigures = [
            figure("word error rate", errors.wer, intervals.wer),
            figure("character error rate", errors.cer, intervals.cer),
            figure("utterances with an error", errors.ser, intervals.ser),
            KeyFigure(
                label: "real-time factor", value: decimal(evaluation.realTimeFactor, 3),
                note: "seconds of processing per second of audio"),
        ]
        page.errors = kindsTable
        page.groups = tags.map { ($0, ReportTable(table($0))) }
        page.distribution = distribution
        let confusions = evaluation.confusions(20)
        if !confusions.isEmpty {
            page.confusions = ReportTable(
                columns: [.init("said", isNumber: false), .init("recognized", isNumber: false), .init("times")],
                rows: confusions.map { [$0.reference ?? "–", $0.hypothesis ?? "–", "\($0.count)"] })
        }
        page.worst = evaluation.worst(worst).map(TranscriptTable.Row.init)
        let all = evaluation.utterances
        let count = min(all.count, Self.shown)
        page.utterances = (0..<count).map { TranscriptTable.Row(all[$0 * all.count / count]) }
        if count < all.count {
            page.utterancesNote =
                "\(count) of the \(all.count) utterances, sampled at even intervals from the manifest."
        }
        page.facts = facts
        return page
    }

    private var introduction: String {
        let counts = evaluation.errors.words
        var text =
            "\(counts.utterances) utterances, \(counts.counts.referenceLength) words, "
            + "\(decimal(evaluation.audioSeconds, 0)) s of audio."
        if bootstrap.sets > 0 {
            text +=
                " The interval beside a rate contains \(level) of the rates of \(bootstrap.sets) sets of the same number of "
                + "utterances drawn from these with replacement."
        }
        return text
    }

    private var kindsTable: ReportTable {
        func row(_ name: String, _ counts: EditCounts) -> [String] {
            [name, "\(counts.referenceLength)", "\(counts.matches)"]
                + Self.kinds(counts).map { "\($0.count) (\(percentage($0.rate)))" }
        }
        return ReportTable(
            columns: [.init("", isNumber: false)]
                + ["all", "right", "substitutions", "deletions", "insertions"].map { .init($0) },
            rows: [
                row("words", evaluation.errors.words.counts), row("characters", evaluation.errors.characters.counts),
            ])
    }

    private var distribution: [(name: String, count: Int)] {
        let bounds = [0, 0.1, 0.25, 0.5, 1]
        let names = ["none wrong", "up to 10 %", "up to 25 %", "up to 50 %", "up to 100 %", "more"]
        var counts = [Int](repeating: 0, count: names.count)
        for utterance in evaluation.utterances {
            let rate = Double(utterance.words.errors) / Double(max(utterance.words.referenceLength, 1))
            counts[bounds.firstIndex { rate <= $0 } ?? bounds.count] += 1
        }
        return Array(zip(names, counts))
    }
}

extension ReportTable {
    /// Converts a terminal's table for a page.
    fileprivate init(_ table: TextTable) {
        self.init(
            columns: table.header.enumerated().map { Column($1, isNumber: $0 > 0) }, rows: table.rows)
    }
}

extension TranscriptTable.Row {
    /// Shows an utterance under its reference.
    init(_ utterance: EvaluatedUtterance) {
        self.init(
            name: utterance.identifier,
            tokens: utterance.alignment.map { AlignedToken(reference: $0.reference, hypothesis: $0.hypothesis) })
    }
}
