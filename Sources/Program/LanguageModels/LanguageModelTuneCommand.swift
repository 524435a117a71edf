import ArgumentParser
import Foundation
import W2VBase
import W2VDecoding
import W2VRecognition

/// `wav2vec2 lm tune`: finds the weights that suit a development set.
struct LanguageModelTuneCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "tune",
        abstract: "Find the decoding weights with the fewest errors on a development set.",
        discussion: """
            The model runs over the recordings once. Then every pair of --alphas and --betas is used to decode its \
            output, on all cores, followed by --rounds finer searches around the best pair. Use the weights that it \
            finds with 'evaluate' and 'transcribe' on other recordings. With --logits, the model does not run at all.

            Examples:
              wav2vec2 lm tune --checkpoint best --manifest data/dev.tsv --lm 3-gram.bin
              wav2vec2 evaluate --checkpoint best --manifest data/dev.tsv --save-logits dev
              wav2vec2 lm tune --logits dev --lm 3-gram.bin
            """)

    @OptionGroup var source: RecognitionSourceOptions

    @Option(help: "Language model weights to try.")
    var alphas = NumberList([0.25, 0.5, 0.75, 1, 1.5, 2])

    @Option(parsing: .unconditional, help: "Word bonuses to try.")
    var betas = NumberList([-1, 0, 1, 2])

    @Option(help: "Number of finer searches around the best pair.")
    var rounds = 1

    @OptionGroup(title: "Decoding") var decoding: DecodingOptions

    @OptionGroup var compute: ComputeOptions

    @Flag(help: "Print one JSON object; rates are fractions.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if decoding.lm == nil {
            throw ValidationError("lm tune needs the language model whose weights it finds: --lm.")
        }
        if rounds < 0 { throw ValidationError("--rounds is \(rounds); it must be at least 0.") }
    }

    func run() async throws {
        try compute.apply()
        let tuner: DecodingTuner
        let decoder: BeamSearchDecoder
        switch try source.source {
        case .model(let checkpoint, let manifest):
            let recognizer = try await source.reading.recognizer(checkpoint, device: compute.device)
            decoder = try decoding.beamSearch(recognizer.alphabet)
            let progress = CountProgress("lm tune", "utterances")
            tuner = try await DecodingTuner(
                recognizer: recognizer, manifest: fileURL(manifest), labels: source.labels
            ) { done, total in progress.show(done, of: total) }
        case .logits(let folder):
            let logits = try SavedLogits(contentsOf: fileURL(folder))
            decoder = try decoding.beamSearch(logits.alphabet)
            tuner = try DecodingTuner(logits: logits)
        }
        if !json { try Console.output("alpha  beta    WER       CER") }
        let (trials, best) = try await tuner.tune(decoder, alphas: alphas.numbers, betas: betas.numbers, rounds: rounds)
        { trial in
            if !json { try Console.output(Self.row(trial)) }
        }
        if json {
            try Console.output(
                try jsonLine(
                    TuningReport(trials: trials.map(TrialReport.init), best: Nullable(best.map(TrialReport.init)))))
        } else if let best {
            try Console.output("best: --alpha \(best.alpha) --beta \(best.beta)  (WER \(percentage(best.errors.wer)))")
        }
    }

    private static func row(_ trial: DecodingTuner.Trial) -> String {
        String(
            format: "%5.3f  %6.3f  %-8@  %@", trial.alpha, trial.beta, percentage(trial.errors.wer) as NSString,
            percentage(trial.errors.cer) as NSString)
    }
}

/// One pair of weights in the object that `lm tune --json` prints.
private struct TrialReport: Encodable {
    var alpha: Double
    var beta: Double
    var wer: Nullable<Double>
    var cer: Nullable<Double>

    init(_ trial: DecodingTuner.Trial) {
        alpha = trial.alpha
        beta = trial.beta
        wer = Nullable(trial.errors.wer)
        cer = Nullable(trial.errors.cer)
    }
}

/// The object that `lm tune --json` prints.
private struct TuningReport: Encodable {
    var trials: [TrialReport]
    var best: Nullable<TrialReport>
}
