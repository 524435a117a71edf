import W2VBackbone
import W2VCorpus
import W2VObjectives

extension Recipe {
    /// All keys of recipes, with their types and help, the sections of registered objectives included.
    public static var table: SettingTable<Recipe> { table(with: ObjectiveRegistry.all) }

    /// The keys that mean something for this recipe: of registered objectives, those that it names.
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
        settings.append(Setting("seed", \.seed, "what all random choices derive from"))
        settings.append(
            Setting(
                "objectives", \.objectives.list,
                "objectives that a program has registered, to train by beside the recipe's own"))
        return SettingTable(settings)
    }()
}

extension Recipe.DataSection {
    static let settings: [Setting<Self>] = [
        Setting("labels", \.labels, "extension of the label files beside the manifests"),
        Setting("normalize", \.normalize, "whether every utterance is brought to zero mean and unit variance"),
        Setting(
            "normalize_epsilon", \.normalizeEpsilon,
            "added to the variance in normalising: 1e-5 as in fairseq, 1e-7 as in Transformers", in: .moreThan(0)),
        Setting("min_sample_size", \.minSampleSize, "shorter utterances are left out, in samples", in: .atLeast(0)),
        Setting(
            "max_sample_size", \.maxSampleSize, "longer utterances are cropped or left out, in samples", in: .atLeast(1)
        ),
        Setting("workers", \.workers, "threads that decode audio", in: .atLeast(1)),
        Setting(
            "prefetch", \.prefetch, "sub-batches that are decoded ahead, never fewer than those of two micro-batches",
            in: .atLeast(1)),
    ]
}

extension Recipe.BatchingSection {
    static let settings: [Setting<Self>] = [
        Setting("max_tokens", \.maxTokens, "most samples of a sub-batch", in: .atLeast(1)),
        Setting(
            "max_tokens_valid", \.maxTokensValid, "the same in validation; off for the same number", in: .atLeast(1)),
        Setting("batch_size", \.batchSize, "most utterances of a sub-batch", in: .atLeast(1)),
        Setting(
            "batch_size_valid", \.batchSizeValid, "the same in validation; off for the same number", in: .atLeast(1)),
        Setting(
            "skip_invalid_size_inputs", \.skipInvalidSizeInputs,
            "whether utterances too short or too long are left out and named, or are an error"),
        Setting(
            "required_batch_size_multiple", \.requiredBatchSizeMultiple, "what utterances' number is a multiple of",
            in: .atLeast(1)),
        Setting(
            "required_seq_len_multiple", \.requiredSeqLenMultiple, "what crops' length is a multiple of, in frames",
            in: .atLeast(1)),
        Setting(
            "num_concat_batches", \.numConcatBatches, "sub-batches that go through the model at once", in: .atLeast(1)),
        Setting(
            "effective_batch", \.effectiveBatch, "sub-batches that an update is meant to have, over all processes",
            in: .atLeast(1)),
        Setting("crop", \.crop, "whether utterances are cropped to the shortest of their crop group"),
        Setting(
            "crop_group", \.cropGroup, "sub-batches that are cropped to one length, and follow each other by length",
            in: .atLeast(1)),
    ]
}

extension Recipe.OptimizationSection {
    static let settings: [Setting<Self>] =
        [
            Setting("max_update", \.maxUpdate, "training ends after this update", in: .atLeast(1)),
            Setting("max_epoch", \.maxEpoch, "training ends after this epoch, if it comes first", in: .atLeast(1)),
            Setting("update_freq", \.updateFreq, "micro-batches whose gradients make an update", in: .atLeast(1)),
            Setting(
                "record_steps", \.recordSteps,
                "whether passes of pre-training are recorded where shapes repeat, as CUDA graphs on a GPU"),
            Setting("clip_norm", \.clipNorm, "largest norm of the gradient; 0 for any", in: .atLeast(0)),
            Setting("optimizer", \.optimizer, "how gradients become steps"),
            Setting("adam_betas", \.adamBetas, "decays of Adam's two moments"),
            Setting("adam_eps", \.adamEps, "Adam's epsilon", in: .moreThan(0)),
            Setting("lamb_betas", \.lambBetas, "decays of LAMB's two moments"),
            Setting("lamb_eps", \.lambEps, "LAMB's epsilon", in: .moreThan(0)),
            Setting(
                "ema", \.ema, "what remains of the averaged weights at each update, such as 0.999; 0 for none",
                in: .shareBelowOne),
            Setting("weight_decay", \.weightDecay, "decoupled weight decay", in: .atLeast(0)),
        ] + LearningRateSchedule.settings.map { $0.lifted("", \.learningRate) }
}

extension LearningRateSchedule {
    static let settings: [Setting<Self>] = [
        Setting("lr", \.peak, "highest learning rate", in: .atLeast(0)),
        Setting("schedule", \.policy, "how the learning rate falls after warm-up and hold"),
        Setting("warmup_updates", \.warmupUpdates, "updates in which the learning rate rises", in: .atLeast(0)),
        Setting("hold_updates", \.holdUpdates, "updates at the highest learning rate", in: .atLeast(0)),
        Setting("initial_lr_scale", \.initialScale, "first learning rate as a part of the highest", in: .share),
        Setting("final_lr_scale", \.finalScale, "last learning rate as a part of the highest", in: .share),
        Setting("lr_poly_power", \.polynomialPower, "power of the polynomial schedule", in: .atLeast(0)),
        Setting("lr_exp_decay", \.exponentialDecay, "factor an update; off to end at final_lr_scale"),
    ]
}

extension Recipe.OptimizationSection.Optimizer: SettingChoice {}
extension LearningRateSchedule.Policy: SettingChoice {}

extension BatchOptions.Crop: SettingValue {
    private static let names: [(name: String, value: Self)] = [("to_shortest", .toShortest), ("none", .none)]

    /// Reads `to_shortest` or `none`.
    ///
    /// - Throws: ``/Wav2Vec2/ConfigurationError`` for anything else.
    public init(settingText: String) throws {
        guard let found = Self.names.first(where: { $0.name == settingText }) else {
            throw ConfigurationError.malformed
        }
        self = found.value
    }

    /// The text that reads back as this value.
    public var settingText: String { Self.names.first { $0.value == self }?.name ?? rawValue }

    /// What to write, for error messages.
    public static var settingType: String { "one of " + names.map(\.name).joined(separator: ", ") }
}
