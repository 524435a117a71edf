import W2VBase
import W2VDecoding
import W2VRecognition

/// The text output of `evaluate`.
struct EvaluationText {
    let evaluation: Evaluation
    let bootstrap: Bootstrap
    let tags: [String]
    let worst: Int
    let characters: CharacterUnit

    /// The rates, the tables and the worst utterances.
    var text: String {
        var parts = [summary]
        for tag in tags { parts.append(table(tag).text) }
        let utterances = evaluation.worst(worst)
        if !utterances.isEmpty {
            parts.append(utterances.map(Self.aligned).joined(separator: "\n\n"))
        }
        return parts.joined(separator: "\n\n")
    }

    /// The rates with their intervals and errors, in columns that fit a terminal of 80.
    private var summary: String {
        let (errors, intervals) = (evaluation.errors, evaluation.intervals(bootstrap))
        let unit = characters == .codePoints ? "characters" : "grapheme clusters"
        func row(_ name: String, _ rate: Double?, _ interval: ConfidenceInterval?, _ counts: [String]) -> [String] {
            ["\(name) \(percentage(rate))", interval.map { "\(level): \(Self.range($0))" } ?? ""] + counts
        }
        func counts(_ counts: EditCounts, _ things: String) -> [String] {
            [
                "\(counts.substitutions) sub", "\(counts.deletions) del", "\(counts.insertions) ins",
                "of \(counts.referenceLength) \(things)",
            ]
        }
        let sentences = errors.words
        let table = TextTable(
            header: row("WER", errors.wer, intervals.wer, counts(errors.words.counts, "words")),
            rows: [
                row("CER", errors.cer, intervals.cer, counts(errors.characters.counts, unit)),
                row(
                    "SER", errors.ser, intervals.ser,
                    ["\(sentences.utterancesWithErrors) wrong", "", "", "of \(sentences.utterances) utterances"]),
            ])
        return """
            \(table.text)
            \(decimal(evaluation.audioSeconds, 1)) s of audio in \(decimal(evaluation.seconds, 1)) s: real-time factor \
            \(decimal(evaluation.realTimeFactor, 3))
            """
    }

    /// The confidence level, such as 95 %.
    var level: String { decimal(bootstrap.level * 100, 0) + " %" }

    /// Formats bounds as percentages.
    static func range(_ interval: ConfidenceInterval) -> String {
        "\(decimal(interval.lower * 100, 2)) to \(percentage(interval.upper))"
    }

    /// Returns counts and rates by kind of error.
    static func kinds(_ counts: EditCounts) -> [(name: String, count: Int, rate: Double?)] {
        func kind(_ name: String, _ count: Int) -> (name: String, count: Int, rate: Double?) {
            (name, count, counts.referenceLength == 0 ? nil : Double(count) / Double(counts.referenceLength))
        }
        return [
            kind("substitutions", counts.substitutions), kind("deletions", counts.deletions),
            kind("insertions", counts.insertions),
        ]
    }

    /// Makes the table of a tag's groups.
    func table(_ tag: String) -> TextTable {
        TextTable(
            header: [tag, "utterances", "words", "WER", level, "sub", "del", "ins", "CER", "SER"],
            rows: evaluation.groups(by: tag).map { group in
                let (errors, interval) = (group.errors, group.intervals(bootstrap).wer)
                return [
                    group.value?.printable ?? "(none)", "\(errors.words.utterances)",
                    "\(errors.words.counts.referenceLength)",
                    percentage(errors.wer), interval.map(Self.range) ?? "-", "\(errors.words.counts.substitutions)",
                    "\(errors.words.counts.deletions)", "\(errors.words.counts.insertions)", percentage(errors.cer),
                    percentage(errors.ser),
                ]
            })
    }

    private static func aligned(_ utterance: EvaluatedUtterance) -> String {
        let text = AlignedText(
            pairs: utterance.alignment, width: Console.outputWidth, isColored: Console.outputIsColored)
        let head =
            "\(utterance.identifier.printable): \(utterance.words.errors) errors in \(utterance.words.referenceLength) words"
        return ([head] + text.lines).joined(separator: "\n")
    }
}
