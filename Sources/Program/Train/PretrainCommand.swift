import ArgumentParser

/// `wav2vec2 pretrain`: learns representations from recordings alone.
struct PretrainCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "pretrain",
        abstract: "Pre-train a model on recordings without transcripts.",
        discussion: """
            Checkpoints are saved in OUTPUT/last and OUTPUT/best, metrics in OUTPUT/metrics.jsonl, and the recipe with \
            all its values in OUTPUT/recipe.yaml. OUTPUT/run.json records the command. Ctrl-C saves and exits; --resume \
            --output OUTPUT continues exactly where the run stopped.

            Examples:
              wav2vec2 pretrain --recipe base --train data/train.tsv \\
                --valid data/valid.tsv --output runs/base --dry-run
              wav2vec2 pretrain --recipe base --train data/train.tsv \\
                --valid data/valid.tsv --output runs/base
              wav2vec2 pretrain --resume --output runs/base
              wav2vec2 pretrain --recipe demo-pretrain --set optimization.lr=0.002 \\
                --set model.encoder_layers=6 …
            """)

    @OptionGroup var options: TrainingOptions

    @OptionGroup var logging: LogOptions

    func run() throws { try options.run(.pretraining) }
}
