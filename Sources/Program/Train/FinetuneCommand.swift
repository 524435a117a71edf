import ArgumentParser

/// `wav2vec2 finetune`: trains a recognizer from recordings and transcripts.
struct FinetuneCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "finetune",
        abstract: "Fine-tune a pre-trained model on recordings with transcripts.",
        discussion: """
            Labels are read from the files beside each manifest (train.ltr for train.tsv), and the dictionary from the \
            file beside the first training manifest (dict.ltr.txt). The checkpoint determines the architecture; \
            without --from, the recipe's model starts from random weights. If --from is a recognizer, its output layer \
            is kept too: symbols that both dictionaries share keep their rows, and only new symbols start at random.

            Examples:
              wav2vec2 finetune --recipe finetune-base-10h --from runs/base/best \\
                --train data/10h.tsv --valid data/dev.tsv --output runs/10h
              wav2vec2 finetune --recipe finetune-base-1h --from runs/10h/best \\
                --train data/clinic.tsv --valid data/clinic-dev.tsv --output runs/clinic
              wav2vec2 finetune --resume --output runs/clinic
            """)

    @OptionGroup var options: TrainingOptions

    @Option(help: "Extension of the label files beside the manifests. (default: the recipe's, ltr)")
    var labels: String?

    @Flag(help: "Start with a new output layer, even if --from is a recognizer.")
    var newHead = false

    @OptionGroup var logging: LogOptions

    func run() throws { try options.run(.finetuning, labels: labels, newHead: newHead) }
}
