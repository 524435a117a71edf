import ArgumentParser
import Foundation
import W2VAudio
import W2VBase
import W2VCorpus
import W2VRecognition
import W2VReporting
import W2VTorch

/// `wav2vec2 report`: describes a model's training and results on one HTML page.
struct ReportCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write an HTML report on training runs and on what the model recognizes.",
        discussion: """
            The page is self-contained. It shows the runs' metrics, the error rates on a manifest, and utterances \
            sampled at even intervals from that manifest, the first ones with their waveforms. With --scratch, the \
            page also shows the same fine-tuning from random weights. It compares the manifest with the manifests that \
            the runs were trained on, and reports which recordings training has seen.

            Example:
              wav2vec2 report --pretrain runs/pretrained --finetune runs/finetuned \\
                --scratch runs/scratch --manifest data/test.tsv --output report.html
            """)

    @Option(help: "Folder of the pre-training run, with metrics.jsonl.", completion: .directory)
    var pretrain: String

    @Option(help: "Folder of the fine-tuning run, with metrics.jsonl and checkpoints.", completion: .directory)
    var finetune: String

    @Option(help: "Folder of the same fine-tuning run from random weights.", completion: .directory)
    var scratch: String?

    @Option(help: "Checkpoint of each fine-tuning run to evaluate: best or last.")
    var evaluated = EvaluatedCheckpoint.best

    @Option(name: .customLong("note"), help: "Paragraph to add to the introduction; repeatable.")
    var notes: [String] = []

    @Option(help: "Recordings with labels that were not used for training.", completion: .file())
    var manifest: String

    @Option(help: "Extension of the label files beside a .tsv.")
    var labels = "ltr"

    @Option(help: "Number of utterances to show.")
    var examples = 8

    @Option(help: "Title of the page.")
    var title = "Speech recognition learned from recordings"

    @Option(name: [.customShort("o"), .long], help: "HTML file to write.", completion: .file(extensions: ["html"]))
    var output: String

    @OptionGroup var compute: ComputeOptions

    @Flag(help: "Print the error rates as one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    /// Number of examples shown with their waveforms.
    private static let waveforms = 2

    func validate() throws {
        guard examples >= 0 else { throw ValidationError("--examples is \(examples); it must be at least 0.") }
    }

    func run() async throws {
        try compute.apply()
        var report = TrainingReport(title: title)
        report.pretraining = try metrics(pretrain)
        report.finetuning = try metrics(finetune)
        report.scratch = try scratch.map(metrics)
        let model = evaluated.path(in: finetune)
        let evaluation = try await evaluate(model)
        var random: Evaluation?
        if let scratch { random = try await evaluate(evaluated.path(in: scratch)) }

        let test = try Manifest.read(fileURL(manifest), labels: labels)
        let seen = SeenTestRecordings(
            test, pretrain: pretrain, finetune: finetune, scratch: scratch, choosesBest: evaluated == .best)
        for warning in seen.warnings { Console.log.warning("\(warning)") }
        report.introduction =
            [
                "The model was first pre-trained on recordings alone: it learned to pick the true content of masked speech "
                    + "out of distractors. It was then fine-tuned on recordings with transcripts. The error rates are for "
                    + "\(test.count) recordings (\(decimal(evaluation.audioSeconds, 0)) s). \(seen.sentences)"
            ] + notes
        report.keyFigures = [
            KeyFigure(
                label: "character error rate", value: percentage(evaluation.cer), note: note(random?.cer, seen)),
            KeyFigure(label: "word error rate", value: percentage(evaluation.wer), note: note(random?.wer, seen)),
            KeyFigure(
                label: "real-time factor", value: decimal(evaluation.realTimeFactor, 3),
                note: "seconds of processing per second of audio"),
        ]
        if let random {
            for (name, ours, theirs) in [
                ("characters", evaluation.cer, random.cer), ("words", evaluation.wer, random.wer),
            ] {
                if let ours, let theirs { report.comparison.append((name, ours, theirs)) }
            }
            report.verdict = [verdict(evaluation, random)]
        }
        try show(evaluation, test, in: &report)
        report.facts = [
            ("model", model), ("test recordings", manifest), ("LibTorch", LibTorch.version),
            ("kernels", "\(LibTorch.cpuCapability), \(LibTorch.threads) threads"), ("program", Program.version),
        ]
        let file = fileURL(output)
        try writeResult(report.html(), to: file)
        let summary = ReportSummary(evaluation, random, trainedOn: seen.trained, file)
        try Console.output(json ? try jsonLine(summary) : summary.text)
    }

    private func metrics(_ folder: String) throws -> MetricsSeries {
        try MetricsSeries(contentsOf: fileURL(folder).appendingPathComponent("metrics.jsonl"))
    }

    private func evaluate(_ path: String) async throws -> Evaluation {
        let recognizer = try await Recognizer(checkpoint: fileURL(path), device: compute.device)
        Console.notes(recognizer.notes, of: path)
        let progress = CountProgress("report: \(path)", "utterances")
        return try await Evaluator(recognizer).evaluate(fileURL(manifest), labels: labels) { done, total in
            progress.show(done, of: total)
        }
    }

    private func note(_ rate: Double?, _ seen: SeenTestRecordings) -> String {
        rate.map { "\(percentage($0)) from random weights" } ?? seen.note
    }

    private func verdict(_ evaluation: Evaluation, _ random: Evaluation) -> String {
        guard let ours = evaluation.cer, let theirs = random.cer, theirs > 0 else {
            return "The references hold no characters, so there is nothing to compare."
        }
        let change = decimal(abs(ours - theirs) / theirs * 100, 0)
        let rates = "\(percentage(ours)) of characters are wrong, and \(percentage(theirs)) without pre-training"
        return ours < theirs
            ? "\(rates): pre-training removed \(change) % of the errors."
            : "\(rates): in this run pre-training did not help (\(change) % more errors)."
    }

    /// Selects utterances at equal distances through the manifest, so that the choice is unbiased.
    private func show(_ evaluation: Evaluation, _ test: Manifest, in report: inout TrainingReport) throws {
        let count = min(examples, evaluation.utterances.count)
        for number in 0..<count {
            let index = number * evaluation.utterances.count / count
            let evaluated = evaluation.utterances[index]
            report.examples.append(TranscriptTable.Row(evaluated))
            guard number < Self.waveforms else { continue }
            let utterance = test[index]
            let samples = try AudioFile.read(
                utterance.audio, frames: utterance.offset.map { $0..<($0 + utterance.sampleCount) })
            report.waveforms.append(
                WaveformPicture(
                    title: evaluated.identifier, subtitle: "said: \(evaluated.reference)", samples: samples,
                    sampleRate: Double(AudioFile.modelSampleRate),
                    words: evaluated.transcription.words.map {
                        TimedWord(word: $0.text, start: $0.start, end: $0.end)
                    }))
        }
    }
}

/// The output of `report`.
private struct ReportSummary: Encodable {
    var cer: Nullable<Double>
    var wer: Nullable<Double>
    var scratchCer: Nullable<Double>
    var scratchWer: Nullable<Double>
    /// Number of the recordings that were seen in training; null if the runs do not record it.
    var trainedOn: Nullable<Int>
    var report: String

    init(_ evaluation: Evaluation, _ random: Evaluation?, trainedOn count: Int?, _ file: URL) {
        trainedOn = Nullable(count)
        cer = Nullable(evaluation.cer)
        wer = Nullable(evaluation.wer)
        scratchCer = Nullable(random?.cer)
        scratchWer = Nullable(random?.wer)
        report = file.path
    }

    var text: String {
        var line = "CER \(percentage(cer.value)), WER \(percentage(wer.value))"
        if scratchCer.value != nil {
            line += "; from random weights CER \(percentage(scratchCer.value)), WER \(percentage(scratchWer.value))"
        }
        return line + "; \(report)"
    }
}

/// The training checkpoint that a report evaluates.
enum EvaluatedCheckpoint: String, ExpressibleByArgument, CaseIterable {
    case best
    case last

    func path(in folder: String) -> String { (folder as NSString).appendingPathComponent(rawValue) }
}
