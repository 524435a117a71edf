import ArgumentParser

/// `wav2vec2 finetune`: learning to transcribe from recordings and transcripts.
struct FinetuneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "finetune",
        abstract: "Fine-tune a pre-trained model on recordings with transcripts.",
        discussion: """
            The labels lie beside each manifest (train.tsv: train.ltr), the dictionary beside the first training \
            manifest (dict.ltr.txt). The architecture comes from the checkpoint; without --from, the recipe's model \
            starts from random weights.

            Examples:
              wav2vec2 finetune --recipe finetune-base-10h --from runs/base/best --train data/10h.tsv \
            --valid data/dev.tsv --output runs/10h
            """)

    @OptionGroup var options: TrainingOptions

    @Option(help: "The extension of the label files beside the manifests. (default: the recipe's, ltr)")
    var labels: String?

    func run() throws { try options.run(.finetuning, labels: labels) }
}
