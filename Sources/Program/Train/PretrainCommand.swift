import ArgumentParser

/// `wav2vec2 pretrain`: learning representations from recordings alone.
struct PretrainCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "pretrain",
        abstract: "Pre-train a model on recordings without transcripts.",
        discussion: """
            Checkpoints go to OUTPUT/last and OUTPUT/best, measurements to OUTPUT/metrics.jsonl, the recipe with every \
            value to OUTPUT/recipe.yaml. Ctrl-C saves and exits; --resume continues exactly where it stopped.

            Examples:
              wav2vec2 pretrain --recipe base --train data/train.tsv --valid data/valid.tsv --output runs/base --dry-run
              wav2vec2 pretrain --recipe base --train data/train.tsv --valid data/valid.tsv --output runs/base
              wav2vec2 pretrain --recipe base --train data/train.tsv --valid data/valid.tsv --output runs/base --resume
              wav2vec2 pretrain --recipe demo-pretrain --set optimization.lr=0.002 --set model.encoder_layers=6 …
            """)

    @OptionGroup var options: TrainingOptions

    @OptionGroup var logging: LogOptions

    func run() throws { try options.run(.pretraining) }
}
