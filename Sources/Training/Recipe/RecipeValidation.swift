import Objectives
import Wav2Vec2

extension Recipe {
    /// Which numbers a key may have.
    private enum Bounds {
        case atLeast(Double)
        case moreThan(Double)
        /// More than 0, and at most so much.
        case upTo(Double)
        /// From one number to another, both included.
        case within(ClosedRange<Double>)
        /// From 0 to 1, both included.
        case share
        /// From 0 to below 1.
        case shareBelowOne

        func allow(_ value: Double) -> Bool {
            switch self {
            case .atLeast(let least): value >= least
            case .moreThan(let limit): value > limit
            case .upTo(let most): value > 0 && value <= most
            case .within(let range): range.contains(value)
            case .share: (0...1).contains(value)
            case .shareBelowOne: (0..<1).contains(value)
            }
        }

        var words: String {
            switch self {
            case .atLeast(let least): "at least \(least.settingText)"
            case .moreThan(let limit): "more than \(limit.settingText)"
            case .upTo(let most): "more than 0 and at most \(most.settingText)"
            case .within(let range): "from \(range.lowerBound.settingText) to \(range.upperBound.settingText)"
            case .share: "a share from 0 to 1"
            case .shareBelowOne: "at least 0 and below 1"
            }
        }
    }

    /// Checks that the values make sense, each by itself and together.
    ///
    /// - Throws: ``/Wav2Vec2/ConfigurationError`` naming the first key that does not.
    public func validate() throws {
        try model.validate()
        try precision.validate()
        for (bounds, keys) in numbers {
            for (name, value) in keys {
                guard let value, !bounds.allow(value) else { continue }
                throw ConfigurationError("\(name) is \(value.settingText); it must be \(bounds.words)")
            }
        }
        for (name, spans) in [("mask", masking.time), ("mask_channel", masking.channel)]
        where spans.selection == .uniform && spans.other > 2 * Double(spans.length) {
            throw ConfigurationError(
                "masking.\(name)_other is \(spans.other.settingText); with \(name)_selection uniform it is the shortest span, "
                    + "at most twice masking.\(name)_length")
        }
        for (name, betas) in [("adam", optimization.adamBetas), ("lamb", optimization.lambBetas)] {
            guard betas.count == 2, betas.allSatisfy({ $0 >= 0 && $0 < 1 }) else {
                throw ConfigurationError("optimization.\(name)_betas needs two numbers of at least 0 and below 1")
            }
        }
        guard objective.lossWeights.count == 2, objective.lossWeights.allSatisfy({ $0 >= 0 }) else {
            throw ConfigurationError(
                "objective.loss_weights needs two numbers of at least 0: diversity and feature penalty")
        }
        guard objective.numNegatives + objective.crossSampleNegatives + objective.codebookNegatives > 0 else {
            throw ConfigurationError(
                "objective.num_negatives, cross_sample_negatives and codebook_negatives are all 0; a choice needs "
                    + "distractors")
        }
        guard !optimization.recordSteps || !model.checkpointActivations else {
            throw ConfigurationError(
                "optimization.record_steps and model.checkpoint_activations do not go together: turn one of them off")
        }
        try optimization.learningRate.validate(maxUpdate: optimization.maxUpdate)
    }

    /// All numbers that are not free, by what they may be.
    private var numbers: [(Bounds, [(String, Double?)])] {
        func whole(_ name: String, _ value: Int?) -> (String, Double?) { (name, value.map(Double.init)) }
        return [
            (
                .atLeast(1),
                [
                    whole("batching.max_tokens", batching.maxTokens),
                    whole("batching.max_tokens_valid", batching.maxTokensValid),
                    whole("batching.batch_size", batching.batchSize),
                    whole("batching.batch_size_valid", batching.batchSizeValid),
                    whole("batching.num_concat_batches", batching.numConcatBatches),
                    whole("batching.required_batch_size_multiple", batching.requiredBatchSizeMultiple),
                    whole("batching.required_seq_len_multiple", batching.requiredSeqLenMultiple),
                    whole("batching.effective_batch", batching.effectiveBatch),
                    whole("batching.crop_group", batching.cropGroup),
                    whole("optimization.update_freq", optimization.updateFreq),
                    whole("optimization.max_update", optimization.maxUpdate),
                    whole("optimization.max_epoch", optimization.maxEpoch),
                    whole("data.workers", data.workers), whole("data.prefetch", data.prefetch),
                    whole("data.max_sample_size", data.maxSampleSize),
                    whole("masking.mask_count_multiple", masking.time.countMultiple),
                    whole("checkpoint.keep_last_checkpoints", checkpoint.keepLastCheckpoints),
                    whole("logging.log_every", logging.logEvery),
                    whole("logging.histogram_every", logging.histogramEvery),
                    whole("logging.benchmark_epochs_num", logging.benchmarkEpochsNum),
                    whole("watch.patience", watch.patience),
                    whole("distributed.check_every", distributed.checkEvery),
                ]
            ),
            (
                .atLeast(0),
                [
                    ("optimization.clip_norm", optimization.clipNorm),
                    ("optimization.weight_decay", optimization.weightDecay),
                    whole("objective.num_negatives", objective.numNegatives),
                    whole("objective.cross_sample_negatives", objective.crossSampleNegatives),
                    whole("objective.codebook_negatives", objective.codebookNegatives),
                    whole("ctc.freeze_finetune_updates", ctc.freezeFinetuneUpdates),
                    whole("data.min_sample_size", data.minSampleSize),
                ]
            ),
            (
                // Frames or channels: more than any utterance or model has would only overflow.
                .within(1...1e6),
                [
                    whole("masking.mask_length", masking.time.length),
                    whole("masking.mask_channel_length", masking.channel.length),
                ]
            ),
            (
                .within(0...1e6),
                [
                    ("masking.mask_other", masking.time.other), ("masking.mask_channel_other", masking.channel.other),
                    whole("masking.mask_min_space", masking.time.minSpace),
                    whole("masking.mask_channel_min_space", masking.channel.minSpace),
                    whole("masking.mask_min_masks", masking.time.minMasks),
                    whole("masking.mask_channel_min_masks", masking.channel.minMasks),
                ]
            ),
            (
                .moreThan(0),
                [
                    ("data.normalize_epsilon", data.normalizeEpsilon),
                    ("optimization.adam_eps", optimization.adamEps), ("optimization.lamb_eps", optimization.lambEps),
                    ("objective.logit_temp", objective.logitTemp),
                ]
            ),
            (
                .upTo(1e6),
                [
                    ("distributed.timeout", distributed.timeout),
                    ("distributed.join_timeout", distributed.joinTimeout),
                    ("distributed.bucket_cap_mb", distributed.bucketCapMb),
                ]
            ),
            (
                .share,
                [
                    ("masking.mask_prob", masking.time.probability),
                    ("masking.mask_channel_prob", masking.channel.probability),
                ]
            ),
            (
                .shareBelowOne,
                [
                    ("masking.mask_dropout", masking.time.maskDropout),
                    ("masking.mask_channel_dropout", masking.channel.maskDropout),
                    ("optimization.ema", optimization.ema), ("watch.code_perplexity", watch.codePerplexity),
                ]
            ),
            (.moreThan(1), [("watch.divergence", watch.divergence)]),
        ]
    }
}
