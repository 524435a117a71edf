import W2VBackbone
import W2VCorpus
import W2VObjectives

extension Recipe {
    /// All keys of recipes, with their types and help, including the sections of registered objectives.
    public static var table: SettingTable<Recipe> { table(with: ObjectiveRegistry.all) }

    /// The keys that apply to this recipe: of registered objectives, those that it names.
    var settings: [Setting<Recipe>] {
        Self.table(with: objectives.names.compactMap(ObjectiveRegistry.find)).settings
    }

    private static func table(with objectives: [RegisteredObjective]) -> SettingTable<Recipe> {
        let added = AddedObjectives.settings(of: objectives).map { $0.lifted("", \Recipe.objectives) }
        return added.isEmpty ? own : SettingTable(own.settings + added)
    }

    private static let own: SettingTable<Recipe> = {
        var settings = ModelConfiguration.settings.map { $0.lifted("model", \Recipe.model) }
        settings += MaskingConfiguration.settings.map { $0.lifted("masking", \.masking) }
        settings += ContrastiveConfiguration.settings.map { $0.lifted("objective", \.objective) }
        settings += CTCConfiguration.settings.map { $0.lifted("ctc", \.ctc) }
        settings += DataSection.settings.map { $0.lifted("data", \.data) }
        settings += BatchingSection.settings.map { $0.lifted("batching", \.batching) }
        settings += OptimizationSection.settings.map { $0.lifted("optimization", \.optimization) }
        settings += PrecisionSection.settings.map { $0.lifted("precision", \.precision) }
        settings += distributedSettings + runSettings
        settings.append(Setting("seed", \.seed, "random seed"))
        settings.append(
            Setting(
                "objectives", \.objectives.list,
                "registered objectives to train with, in addition to the recipe's own"))
        return SettingTable(settings)
    }()
}

extension Recipe.DataSection {
    static let settings: [Setting<Self>] = [
        Setting("labels", \.labels, "extension of the label files beside the manifests"),
        Setting("normalize", \.normalize, "whether to normalize every utterance to zero mean and unit variance"),
        Setting(
            "normalize_epsilon", \.normalizeEpsilon,
            "added to the variance when normalizing: 1e-5 as in fairseq, 1e-7 as in Transformers", in: .moreThan(0)),
        Setting(
            "min_sample_size", \.minSampleSize, "minimum length in samples; shorter utterances are left out",
            in: .atLeast(0)),
        Setting(
            "max_sample_size", \.maxSampleSize, "maximum length in samples; longer utterances are cropped or left out",
            in: .atLeast(1)
        ),
        Setting("workers", \.workers, "number of threads that decode audio", in: .atLeast(1)),
        Setting(
            "prefetch", \.prefetch, "number of sub-batches to decode ahead; at least two micro-batches",
            in: .atLeast(1)),
    ]
}

extension Recipe.BatchingSection {
    static let settings: [Setting<Self>] = [
        Setting("max_tokens", \.maxTokens, "maximum number of samples in a sub-batch", in: .atLeast(1)),
        Setting(
            "max_tokens_valid", \.maxTokensValid, "the same in validation; off for the same number", in: .atLeast(1)),
        Setting("batch_size", \.batchSize, "maximum number of utterances in a sub-batch", in: .atLeast(1)),
        Setting(
            "batch_size_valid", \.batchSizeValid, "the same in validation; off for the same number", in: .atLeast(1)),
        Setting(
            "skip_invalid_size_inputs", \.skipInvalidSizeInputs,
            "whether utterances that are too short or too long are left out and named, or are an error"),
        Setting(
            "required_batch_size_multiple", \.requiredBatchSizeMultiple,
            "multiple to round the number of utterances down to",
            in: .atLeast(1)),
        Setting(
            "required_seq_len_multiple", \.requiredSeqLenMultiple,
            "multiple to round the length of crops down to, in frames",
            in: .atLeast(1)),
        Setting(
            "num_concat_batches", \.numConcatBatches,
            "number of sub-batches in a micro-batch, which goes through the model at once", in: .atLeast(1)),
        Setting(
            "effective_batch", \.effectiveBatch, "intended number of sub-batches per update, over all processes",
            in: .atLeast(1)),
        Setting("crop", \.crop, "whether to crop utterances to the shortest one in their crop group"),
        Setting(
            "crop_group", \.cropGroup, "number of sub-batches, neighbors in length, to crop to the same length",
            in: .atLeast(1)),
        Setting(
            "crop_grid", \.cropGrid, "distance of crop lengths in frames, so that few shapes occur; off for any length",
            in: .atLeast(1)),
    ]
}

extension Recipe.OptimizationSection {
    static let settings: [Setting<Self>] =
        [
            Setting("max_update", \.maxUpdate, "last update of the training", in: .atLeast(1)),
            Setting("max_epoch", \.maxEpoch, "last epoch of the training, if it comes first", in: .atLeast(1)),
            Setting("update_freq", \.updateFreq, "number of micro-batches to accumulate per update", in: .atLeast(1)),
            Setting(
                "record_steps", \.recordSteps,
                "whether to record pre-training passes of repeated shapes, as CUDA graphs on a GPU"),
            Setting(
                "keep_activations", \.keepActivations,
                "whether to keep activations for the backward pass, on GPUs that have the memory, instead of recomputing them"
            ),
            Setting("clip_norm", \.clipNorm, "maximum norm of the gradient; 0 for no limit", in: .atLeast(0)),
            Setting("optimizer", \.optimizer, "optimizer: adam or lamb"),
            Setting("adam_betas", \.adamBetas, "decays of Adam's two moments"),
            Setting("adam_eps", \.adamEps, "Adam's epsilon", in: .moreThan(0)),
            Setting("lamb_betas", \.lambBetas, "decays of LAMB's two moments"),
            Setting("lamb_eps", \.lambEps, "LAMB's epsilon", in: .moreThan(0)),
            Setting(
                "ema", \.ema, "decay of the averaged weights, such as 0.999; 0 for no averaging",
                in: .shareBelowOne),
            Setting("weight_decay", \.weightDecay, "decoupled weight decay", in: .atLeast(0)),
        ] + LearningRateSchedule.settings.map { $0.lifted("", \.learningRate) }
}

extension LearningRateSchedule {
    static let settings: [Setting<Self>] = [
        Setting("lr", \.peak, "peak learning rate", in: .atLeast(0)),
        Setting("schedule", \.policy, "how the learning rate falls after warm-up and hold"),
        Setting(
            "warmup_updates", \.warmupUpdates, "number of updates in which the learning rate rises", in: .atLeast(0)),
        Setting("hold_updates", \.holdUpdates, "number of updates at the peak learning rate", in: .atLeast(0)),
        Setting("initial_lr_scale", \.initialScale, "first learning rate, relative to the peak", in: .share),
        Setting("final_lr_scale", \.finalScale, "last learning rate, relative to the peak", in: .share),
        Setting("lr_poly_power", \.polynomialPower, "power of the polynomial schedule", in: .atLeast(0)),
        Setting("lr_exp_decay", \.exponentialDecay, "decay per update; off to end at final_lr_scale"),
    ]
}

extension Recipe.OptimizationSection.Optimizer: SettingChoice {}
extension LearningRateSchedule.Policy: SettingChoice {}

extension BatchOptions.Crop: SettingValue {
    private static let names: [(name: String, value: Self)] = [("to_shortest", .toShortest), ("none", .none)]

    /// Parses `to_shortest` or `none`.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` for anything else.
    public init(settingText: String) throws {
        guard let found = Self.names.first(where: { $0.name == settingText }) else {
            throw ConfigurationError.malformed
        }
        self = found.value
    }

    /// The value as text that parses back to it.
    public var settingText: String { Self.names.first { $0.value == self }?.name ?? rawValue }

    /// The expected form, for error messages.
    public static var settingType: String { "one of " + names.map(\.name).joined(separator: ", ") }
}
