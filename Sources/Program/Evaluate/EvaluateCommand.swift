import ArgumentParser
import Foundation
import W2VBase
import W2VCluster
import W2VCorpus
import W2VDecoding
import W2VInference
import W2VRecognition
import W2VTorch

extension CharacterUnit: ExpressibleByArgument {}

/// `wav2vec2 evaluate`: error rates of a fine-tuned model.
struct EvaluateCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Measure the word and character error rates of a fine-tuned model on a manifest.",
        discussion: """
            Every utterance counts. One that is too short for a single frame (400 samples) counts as an empty \
            transcript and is named on standard error. Characters in the references that the model's dictionary lacks \
            count as errors like any others and are named too. Case and punctuation count, unless --ignore-case, --case \
            or --strip-punctuation folds them in references and hypotheses alike. 'wav2vec2 launch' spreads the work over \
            several processes.

            Examples:
              wav2vec2 evaluate --checkpoint best --manifest data/test.tsv
              wav2vec2 evaluate --checkpoint best --manifest data/test.tsv --json | jq .wer
              wav2vec2 evaluate --checkpoint best --manifest data/test.jsonl \\
                --by speaker --worst 10 --report test.html
            """)

    @OptionGroup var source: RecognitionSourceOptions

    @OptionGroup(title: "Decoding") var decoding: DecodingOptions

    @Option(
        name: .customLong("by"),
        help:
            "Also report rates by group: a key of JSON lines, speaker or NAME of Kaldi's utt2NAME, or a column of --tags."
    )
    var tags: [String] = []

    @Option(
        name: .customLong("tags"),
        help: "Table for --by: tab-separated, with column names in the first line, one of them path.",
        completion: .file())
    var table: String?

    @Option(
        help:
            "Unit of the character error rate: codepoints, as in jiwer and sclite, or graphemes (a letter with its marks)."
    )
    var characters = CharacterUnit.codePoints

    @Flag(help: "Compare without case, as --case lower does.")
    var ignoreCase = false

    @OptionGroup(title: "Text of references and hypotheses") var text: TextFormOptions

    @Option(help: "Number of bootstrap samples for the confidence intervals; 0 for no intervals.")
    var bootstrap = Bootstrap().sets

    @Option(help: "Number of utterances with the most word errors to show. (default: none, and 20 in the report)")
    var worst: Int?

    @Option(
        help: "HTML file to write, with all results and the aligned utterances.",
        completion: .file(extensions: ["html"]))
    var report: String?

    @Option(
        help: "File to write one JSON line per utterance to, with reference, hypothesis and errors.",
        completion: .file())
    var savePredictions: String?

    @Option(
        help: "Folder to save the model's log-probabilities in, for --logits here and in 'lm tune'.",
        completion: .directory)
    var saveLogits: String?

    @OptionGroup var compute: ComputeOptions

    @Flag(help: "Print one JSON object; rates are fractions.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        for (name, value) in [("bootstrap", bootstrap), ("worst", worst ?? 0)] where value < 0 {
            throw ValidationError("--\(name) is \(value); it must be at least 0.")
        }
        if let report, let savePredictions, isSameFile(report, savePredictions) {
            throw ValidationError("--report and --save-predictions name the same file.")
        }
        if ignoreCase, text.letterCase == .keep, text.uppercase {
            throw ValidationError("--ignore-case and --uppercase exclude each other.")
        }
        if table != nil, tags.isEmpty { throw ValidationError("--tags needs --by with one of its columns.") }
        if source.logits != nil, table != nil || saveLogits != nil {
            throw ValidationError(
                "--logits has its tags and log-probabilities already: --tags and --save-logits go "
                    + "with a model.")
        }
    }

    /// The form in which references and hypotheses are compared.
    private var form: TextForm {
        var form = text.form
        if ignoreCase, form.letterCase == .keep { form.letterCase = .lower }
        return form
    }

    /// The files that the command reads.
    private var inputs: [URL] {
        get throws {
            let tables = [table, decoding.lm, decoding.lexicon, source.reading.dictionary].compactMap { $0 }.map(
                fileURL)
            switch try source.source {
            case .model(_, let manifest):
                let url = fileURL(manifest)
                return tables + [url, url.deletingPathExtension().appendingPathExtension(source.labels)]
            case .logits(let folder):
                let files = try? FileManager.default.contentsOfDirectory(
                    at: fileURL(folder), includingPropertiesForKeys: nil)
                return tables + (files ?? [])
            }
        }
    }

    func run() async throws { try await withCluster { try await run(among: $0) } }

    private func run(among cluster: Cluster?) async throws {
        try compute.apply()
        let isLeader = cluster?.isLeader ?? true
        for (output, option) in [(report, "--report"), (savePredictions, "--save-predictions")] {
            try refuseReplacing(inputs, by: output, option: option)
        }
        // Output folders are created before the work, so that an error appears early.
        for file in [report, savePredictions].compactMap({ $0 }) where isLeader { try makeFolder(of: fileURL(file)) }
        let shown = CountProgress("evaluate", "utterances")
        let progress: @Sendable (Int, Int) -> Void = { done, total in if isLeader { shown.show(done, of: total) } }
        let evaluation: Evaluation
        switch try source.source {
        case .model(let checkpoint, let manifest):
            let url = fileURL(manifest)
            let recognizer = try await source.reading.recognizer(
                checkpoint, device: compute.device(among: cluster), decoding: decoding)
            let list = try Manifest.readForEvaluation(url, labels: source.labels)
            var values: [String: [String?]] = [:]
            for tag in tags { values[tag] = try UtteranceTags.read(tag, of: list, from: table.map(fileURL)) }
            let evaluator = Evaluator(recognizer, characters: characters, form: form)
            let folder = saveLogits.map(fileURL)
            if let folder, isLeader { try SavedLogits.begin(folder) }
            // The others may write into the folder only once it exists.
            _ = try cluster?.exchange([0])
            let results = SharedRecordings(recordings: Recordings(list), cluster: cluster).results { share, number in
                evaluator.transcriptions(of: share, savingLogits: folder, number: number)
            }
            evaluation = try await evaluator.evaluation(
                of: list, labels: source.labels, tags: values, results, progress: progress)
            if let folder, isLeader { try SavedLogits.finish(folder, evaluation, by: recognizer) }
        case .logits(let folder):
            // Decoding takes all cores of one process.
            guard isLeader else { return }
            let logits = try SavedLogits(contentsOf: fileURL(folder))
            for tag in tags where !logits.entries.contains(where: { $0.tags[tag] != nil }) {
                throw RecognitionError.badLogits(
                    file: folder, reason: "was saved without the tag \"\(tag)\"; save it again with --by \(tag)")
            }
            evaluation = try await Evaluator.evaluate(
                logits, characters: characters, form: form, decoder: decoding.recognitionDecoder, progress: progress)
        }
        if isLeader { try show(evaluation) }
    }

    private func show(_ evaluation: Evaluation) throws {
        for utterance in evaluation.utterances where utterance.isTooShort {
            Console.log.warning(
                "\(utterance.identifier): is too short for a frame and counts as an empty transcript.",
                metadata: ["file": "\(utterance.identifier)"])
        }
        if let warning = evaluation.unwritable.warning {
            let isCase = evaluation.unwritable.reasons.contains { [.smallLetters, .capitals].contains($0) }
            Console.log.warning("\(warning)\(isCase ? " --ignore-case compares without case." : "")")
        }
        let bootstrap = Bootstrap(sets: bootstrap)
        let shown = worst ?? 0
        // The summary comes first, so that a file that cannot be written does not lose it.
        try Console.output(
            json
                ? try jsonLine(
                    EvaluationReport(
                        evaluation, bootstrap, tags: tags, worst: shown, characters: characters, form: form))
                : EvaluationText(
                    evaluation: evaluation, bootstrap: bootstrap, tags: tags, worst: shown, characters: characters
                ).text)
        if let savePredictions {
            let lines = try evaluation.utterances.map { try jsonLine(UtteranceReport($0)) + "\n" }
            try writeResult(lines.joined(), to: fileURL(savePredictions))
        }
        if let report {
            let text = EvaluationText(
                evaluation: evaluation, bootstrap: bootstrap, tags: tags, worst: worst ?? 20,
                characters: characters)
            try writeResult(text.page(title: "Evaluation", facts: facts).html(), to: fileURL(report))
        }
    }

    /// The facts about the evaluation on the page.
    private var facts: [(name: String, value: String)] {
        let inputs: [(name: String, value: String?)] = [
            ("model", source.model),
            ("precision", source.model.map { _ in source.reading.precision.precision.rawValue }),
            ("manifest", source.manifest), ("saved logits", source.logits),
            ("decoding", decoding.summary), ("compared", form.isUnchanging ? nil : form.description),
            ("kernels", "\(LibTorch.cpuCapability), \(LibTorch.threads) threads"),
            ("program", Program.version),
        ]
        return inputs.compactMap { fact in fact.value.map { (fact.name, $0) } }
    }
}
