import W2VBackbone
import W2VCorpus
import W2VObjectives

/// Everything that determines the result of a training run, except its data: the contents of a recipe file.
///
/// Keys and their meaning are in ``table``; the defaults are those of pre-training the BASE model.
public struct Recipe: Sendable, Equatable {
    /// The architecture and its dropouts.
    public var model = ModelConfiguration()
    /// The masking of frames and channels.
    public var masking = MaskingConfiguration()
    /// The pre-training objective.
    public var objective = ContrastiveConfiguration()
    /// The fine-tuning objective.
    public var ctc = CTCConfiguration()
    /// The objectives in addition to the leading one.
    public var objectives = AddedObjectives()
    /// The reading of audio and labels.
    public var data = DataSection()
    /// The grouping of utterances into batches.
    public var batching = BatchingSection()
    /// The optimizer, the learning rate and the number of updates.
    public var optimization = OptimizationSection()
    /// Number formats.
    public var precision = PrecisionSection()
    /// When checkpoints are saved, and which are kept.
    public var checkpoint = CheckpointSection()
    /// The communication between processes.
    public var distributed = DistributedSection()
    /// When records are logged.
    public var logging = LoggingSection()
    /// When the model is validated.
    public var validation = ValidationSection()
    /// Thresholds of training problems.
    public var watch = WatchSection()
    /// The random seed.
    public var seed: UInt64 = 1

    /// Makes the recipe of pre-training the BASE model.
    public init() {}

    /// The `data` section.
    public struct DataSection: Sendable, Equatable {
        /// The extension of the label files beside the manifests.
        public var labels = "ltr"
        /// Whether each utterance is normalized to zero mean and unit variance.
        public var normalize = false
        /// A constant added to the variance.
        public var normalizeEpsilon = 1e-5
        /// Minimum length of an utterance in samples; shorter ones are left out.
        public var minSampleSize = 0
        /// Maximum length of an utterance in samples; longer ones are cropped, or left out if batches are not cropped.
        public var maxSampleSize: Int?
        /// Number of threads that decode audio.
        public var workers = 2
        /// Number of batches decoded ahead.
        public var prefetch = 8
    }

    /// The `batching` section.
    public struct BatchingSection: Sendable, Equatable {
        /// Maximum number of samples in a sub-batch.
        public var maxTokens = 1_400_000
        /// The same in validation; `nil` for the same number.
        public var maxTokensValid: Int?
        /// Maximum number of utterances in a sub-batch.
        public var batchSize: Int?
        /// The same in validation; `nil` for the same number.
        public var batchSizeValid: Int?
        /// Whether utterances of unsuitable length are left out and named; otherwise they are an error.
        public var skipInvalidSizeInputs = true
        /// The multiple to round the number of utterances down to, if there are enough within `maxTokens`.
        public var requiredBatchSizeMultiple = 8
        /// The multiple to which the length of cropped utterances is rounded down, in frames.
        public var requiredSeqLenMultiple = 2
        /// Number of sub-batches per forward pass.
        public var numConcatBatches = 1
        /// Intended number of sub-batches per update, over all processes; `nil` for any number.
        public var effectiveBatch: Int?
        /// The cropping of utterances within a crop group.
        public var crop = BatchOptions.Crop.toShortest
        /// Number of sub-batches that are cropped to the same length; they are sorted by length.
        ///
        /// In NVIDIA's program this is the number of concatenated batches. Here the two are separate, so that the data
        /// stay the same on a machine that holds fewer sub-batches at once.
        public var cropGroup = 1
        /// The distance of crop lengths from each other, in frames; `nil` for crops of any length.
        public var cropGrid: Int?
    }

    /// The `optimization` section.
    public struct OptimizationSection: Sendable, Equatable {
        /// The last update of training.
        public var maxUpdate = 400_000
        /// The last epoch of training, if it comes before the last update.
        public var maxEpoch: Int?
        /// Number of micro-batches per update.
        public var updateFreq = 1
        /// Whether forward and backward passes are recorded for repeated shapes, as CUDA graphs on a GPU.
        public var recordSteps = false
        /// Whether activations are kept for the backward pass, on GPUs that have the memory, instead of being recomputed.
        public var keepActivations = true
        /// The norm to which larger gradients are scaled down; 0 turns clipping off.
        public var clipNorm = 25.0
        /// The optimizer.
        public enum Optimizer: String, Sendable, Codable, CaseIterable {
            /// Adam in fairseq's form.
            case adam
            /// LAMB in apex's form.
            case lamb
        }

        /// The optimizer.
        public var optimizer = Optimizer.adam
        /// The decays of Adam's two moments.
        public var adamBetas = [0.9, 0.98]
        /// Adam's ε.
        public var adamEps = 1e-6
        /// The decays of LAMB's two moments.
        public var lambBetas = [0.9, 0.999]
        /// LAMB's ε.
        public var lambEps = 1e-8
        /// The decay of the averaged weights at each update; 0 for no averaging.
        public var ema = 0.0
        /// Decoupled weight decay.
        public var weightDecay = 0.01
        /// The learning rate over time.
        public var learningRate = LearningRateSchedule()
    }
}

extension Recipe {
    /// The masking that applies: with `crop: none`, utterances need not mask equally many frames.
    ///
    /// Under that rule the shortest utterance would decide for all; it is meant for crops of equal length.
    var effectiveMasking: MaskingConfiguration {
        var masking = masking
        if batching.crop == .none { masking.time.requireSameMasks = false }
        return masking
    }

    /// The masking of held-out recordings, which does not depend on what makes training's shapes repeat: results of runs
    /// with and without it can be compared.
    var heldOutMasking: MaskingConfiguration {
        var masking = effectiveMasking
        masking.time.count = .spans
        return masking
    }
}
