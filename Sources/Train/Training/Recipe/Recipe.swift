import W2VBackbone
import W2VCorpus
import W2VObjectives

/// Everything that decides what a training run computes, but for its data: what a recipe file holds.
///
/// Keys and their meaning are in ``table``; the defaults are those of pre-training the BASE model.
public struct Recipe: Sendable, Equatable {
    /// The architecture and its dropouts.
    public var model = ModelConfiguration()
    /// How frames and channels are masked.
    public var masking = MaskingConfiguration()
    /// The pre-training objective.
    public var objective = ContrastiveConfiguration()
    /// The fine-tuning objective.
    public var ctc = CTCConfiguration()
    /// The objectives beside the one that leads.
    public var objectives = AddedObjectives()
    /// What is read.
    public var data = DataSection()
    /// How utterances are put together.
    public var batching = BatchingSection()
    /// How the model is changed.
    public var optimization = OptimizationSection()
    /// Number formats.
    public var precision = PrecisionSection()
    /// When and what is saved.
    public var checkpoint = CheckpointSection()
    /// How processes work together.
    public var distributed = DistributedSection()
    /// When something is written to the log.
    public var logging = LoggingSection()
    /// When the held-out recordings are looked at.
    public var validation = ValidationSection()
    /// What training is watched for.
    public var watch = WatchSection()
    /// What all random choices derive from.
    public var seed: UInt64 = 1

    /// Pre-training of the BASE model.
    public init() {}

    /// The `data` section.
    public struct DataSection: Sendable, Equatable {
        /// The extension of the label files beside the manifests.
        public var labels = "ltr"
        /// Whether every utterance is brought to zero mean and unit variance.
        public var normalize = false
        /// What is then added to the variance.
        public var normalizeEpsilon = 1e-5
        /// Shorter utterances are left out, in samples.
        public var minSampleSize = 0
        /// Longer utterances are cropped, or left out where nothing is cropped, in samples.
        public var maxSampleSize: Int?
        /// Threads that decode audio.
        public var workers = 2
        /// Batches that are decoded ahead.
        public var prefetch = 8
    }

    /// The `batching` section.
    public struct BatchingSection: Sendable, Equatable {
        /// The most samples of a sub-batch.
        public var maxTokens = 1_400_000
        /// The same in validation; `nil` for the same number.
        public var maxTokensValid: Int?
        /// The most utterances of a sub-batch.
        public var batchSize: Int?
        /// The same in validation; `nil` for the same number.
        public var batchSizeValid: Int?
        /// Whether utterances too short or too long to learn from are left out and named; otherwise they are an error.
        public var skipInvalidSizeInputs = true
        /// The multiple to round the number of utterances down to, if there are enough within `maxTokens`.
        public var requiredBatchSizeMultiple = 8
        /// What the length of cropped utterances is a multiple of, in frames.
        public var requiredSeqLenMultiple = 2
        /// How many sub-batches go through the model at once.
        public var numConcatBatches = 1
        /// Of how many sub-batches an update is meant to be, over all processes; `nil` where any number will do.
        public var effectiveBatch: Int?
        /// Whether utterances are cropped to the shortest one of their crop group.
        public var crop = BatchOptions.Crop.toShortest
        /// How many sub-batches are cropped to one length; they follow each other by length.
        ///
        /// In NVIDIA's program this is the number of concatenated batches. Here the two are apart, so that the data stay
        /// the same on a machine that holds fewer sub-batches at once.
        public var cropGroup = 1
    }

    /// The `optimization` section.
    public struct OptimizationSection: Sendable, Equatable {
        /// Training ends after this update.
        public var maxUpdate = 400_000
        /// Training ends after this epoch, if it comes first.
        public var maxEpoch: Int?
        /// How many micro-batches make an update.
        public var updateFreq = 1
        /// Whether forward and backward passes are recorded where shapes repeat, as CUDA graphs on a GPU.
        public var recordSteps = false
        /// Gradients with a larger norm are scaled down to it; 0 turns this off.
        public var clipNorm = 25.0
        /// How gradients become steps.
        public enum Optimizer: String, Sendable, Codable, CaseIterable {
            /// Adam in fairseq's form.
            case adam
            /// LAMB in apex's form.
            case lamb
        }

        /// How gradients become steps.
        public var optimizer = Optimizer.adam
        /// The decays of Adam's two moments.
        public var adamBetas = [0.9, 0.98]
        /// Adam's ε.
        public var adamEps = 1e-6
        /// The decays of LAMB's two moments.
        public var lambBetas = [0.9, 0.999]
        /// LAMB's ε.
        public var lambEps = 1e-8
        /// What remains of the averaged weights at each update; 0 for no averaging.
        public var ema = 0.0
        /// Decoupled weight decay.
        public var weightDecay = 0.01
        /// The learning rate over time.
        public var learningRate = LearningRateSchedule()
    }
}

extension Recipe {
    /// How masks are drawn: with `crop: none` the rule that all utterances mask equally many frames is off.
    ///
    /// Under that rule the shortest utterance would decide for all; it is meant for crops of equal length.
    var effectiveMasking: MaskingConfiguration {
        var masking = masking
        if batching.crop == .none { masking.time.requireSameMasks = false }
        return masking
    }
}
