import W2VBackbone

// The sections of a recipe that decide when a run saves, logs and validates, without influence on what it computes.

extension Recipe {
    /// The `checkpoint` section.
    public struct CheckpointSection: Sendable, Equatable {
        /// The interval of saving, besides at the end.
        public var saveEvery = Interval.minutes(10)
        /// Whether the best weights are kept beside the last ones.
        public var keepBest = true
        /// Number of newest states to keep, including `last`.
        public var keepLastCheckpoints = 1
        /// The updates after which a state is saved and kept permanently.
        public var keepMilestones: Milestones?
        /// Whether training continues while a checkpoint is written from a copy.
        public var writeCheckpointsAsynchronously = true
        /// Whether nothing is saved.
        public var noSave = false
    }

    /// The `logging` section.
    public struct LoggingSection: Sendable, Equatable {
        /// Number of updates per line of the log.
        public var logEvery = 10
        /// Whether event files for TensorBoard are written.
        public var tensorboard = true
        /// Number of updates between histograms in them; `nil` for never.
        public var histogramEvery: Int? = 1_000
        /// Whether the model's share of a measured matrix-product peak is logged.
        public var utilisation = true
        /// Number of final epochs over which the reported speed is averaged.
        public var benchmarkEpochsNum = 3
    }

    /// The `validation` section.
    public struct ValidationSection: Sendable, Equatable {
        /// The interval of validation, besides at the end; `nil` for only then.
        public var every: Interval? = .epochs(1)
    }

    /// The `watch` section: thresholds of training problems that do not cause an error.
    public struct WatchSection: Sendable, Equatable {
        /// The share of code-book entries in use below which the code books count as collapsed; 0 for never.
        public var codePerplexity = 0.025
        /// The multiple of its best value above which the loss counts as diverging; `nil` for never.
        public var divergence: Double? = 1.5
        /// Number of consecutive updates that must look wrong before a warning.
        public var patience = 500
    }
}

extension Recipe {
    static let runSettings: [Setting<Recipe>] = [
        Setting("checkpoint.save_every", \.checkpoint.saveEvery, "how often to save last, in addition to the end"),
        Setting("checkpoint.keep_best", \.checkpoint.keepBest, "whether to keep the best weights too"),
        Setting(
            "checkpoint.keep_last_checkpoints", \.checkpoint.keepLastCheckpoints,
            "number of newest checkpoints to keep, including last", in: .atLeast(1)),
        Setting(
            "checkpoint.keep_milestones", \.checkpoint.keepMilestones,
            "updates after which to save a checkpoint that is never deleted"),
        Setting(
            "checkpoint.write_checkpoints_asynchronously", \.checkpoint.writeCheckpointsAsynchronously,
            "whether to write checkpoints in the background, from a copy in memory"),
        Setting("checkpoint.no_save", \.checkpoint.noSave, "whether to save no checkpoints, only logs"),
        Setting(
            "logging.log_every", \.logging.logEvery, "number of updates that a line of the log summarizes",
            in: .atLeast(1)),
        Setting("logging.tensorboard", \.logging.tensorboard, "whether to write event files for TensorBoard"),
        Setting(
            "logging.histogram_every", \.logging.histogramEvery,
            "number of updates between histograms in TensorBoard; off for no histograms",
            in: .atLeast(1)),
        Setting(
            "logging.utilisation", \.logging.utilisation,
            "whether to log the utilization, relative to a matrix-product peak measured at the start"),
        Setting(
            "logging.benchmark_epochs_num", \.logging.benchmarkEpochsNum,
            "number of last epochs to average the reported speed over", in: .atLeast(1)),
        Setting("validation.every", \.validation.every, "how often to run validation, in addition to the end"),
        Setting(
            "watch.code_perplexity", \.watch.codePerplexity,
            "share of code book entries in use below which a collapse is reported; 0 for never", in: .shareBelowOne),
        Setting(
            "watch.divergence", \.watch.divergence,
            "multiple of its best value above which the loss is reported as diverging; off for never", in: .moreThan(1)),
        Setting(
            "watch.patience", \.watch.patience, "number of consecutive updates before a problem is reported",
            in: .atLeast(1)),
    ]
}
