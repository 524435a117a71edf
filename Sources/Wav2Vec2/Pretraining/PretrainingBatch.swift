import Torch

/// A batch for pre-training where the model is, with everything that was chosen for it.
///
/// All numbers that the model reads are in tensors, so that what is recorded for one batch can be done again for another of
/// the same shape (``Torch/WorkRecorder``).
public struct PretrainingBatch {
    /// One sub-batch's choices.
    struct SubBatch {
        let utterances: Range<Int>
        /// Its frames among those of the batch.
        let span: Range<Int>
        /// Its masked frames among all masked frames of the batch.
        let masked: Range<Int>
        /// Where they are among its own frames, if these are all candidates: int64 [masked frames].
        let ownRows: Tensor?
        let choices: ContrastiveChoices
        /// The target quantizer's noise, FP32 [masked frames, groups, entries]; nil for none.
        let noise: Tensor?
        /// The input quantizer's noise, FP32 [frames, groups, entries]; nil for none.
        let inputNoise: Tensor?

        var tensors: [Tensor] {
            [ownRows, noise, inputNoise].compactMap { $0 } + choices.tensors
        }
    }

    /// What decides the shapes of everything that a model computes.
    public struct Shape: Hashable {
        private let lengths: [Int]
        private let utterances: [Range<Int>]
        private let masked: [Range<Int>]
        private let compared: [[Range<Int>]]
        private let tensors: [[Int]]

        fileprivate init(_ batch: PretrainingBatch) {
            lengths = batch.lengths
            utterances = batch.subBatches.map(\.utterances)
            masked = batch.subBatches.map(\.masked)
            compared = batch.subBatches.map(\.choices.spans)
            tensors = batch.tensors.map(\.shape)
        }
    }

    /// The samples of each utterance.
    public let lengths: [Int]
    /// Where utterances' frames lie.
    public let layout: RaggedLayout
    /// All utterances' samples end to end, [Σ lengths].
    let samples: Tensor
    let mask: PlacedMask
    /// The masked frames, utterance by utterance: int64 [masked frames].
    let maskedRows: Tensor
    /// The Gumbel softmax's temperature, a single number.
    let temperature: Tensor
    let subBatches: [SubBatch]

    /// Gathers a batch for a model.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths], on the model's device.
    ///   - lengths: The samples of each utterance.
    ///   - plans: The random choices of each sub-batch; together they cover all utterances in order.
    ///   - temperature: The Gumbel softmax's temperature.
    ///   - model: The model.
    /// - Throws: ``ConfigurationError`` for an utterance shorter than one frame or a sub-batch without a masked frame;
    ///   `TorchError.operation` if memory runs out.
    public init(
        _ samples: Tensor, lengths: [Int], plans: [SubBatchPlan], temperature: Double,
        for model: PretrainingModel
    ) throws {
        let (device, configuration) = (samples.device, model.model.configuration)
        let layout = try model.model.featureExtractor.layout(samples: lengths)
        (self.samples, self.lengths, self.layout) = (samples, lengths, layout)
        self.temperature = try .scalar(temperature, device: device)
        let mask = Mask.joined(plans.map(\.mask))
        self.mask = try PlacedMask(mask, layout, channels: configuration.encoderEmbedDim, on: device)
        maskedRows = try Tensor(mask.rows(in: layout)).to(device: device)
        var count = 0
        subBatches = try plans.map { plan in
            let span = layout.offsets[plan.utterances.lowerBound]..<layout.offsets[plan.utterances.upperBound]
            let local = RaggedLayout(Array(layout.lengths[plan.utterances]))
            let rows = plan.mask.rows(in: local)
            guard !rows.isEmpty else {
                throw ConfigurationError(
                    "no frame is masked: raise masking.mask_prob or lower masking.mask_length")
            }
            let everywhere = model.objective.negativesFromEverywhere
            defer { count += rows.count }
            return SubBatch(
                utterances: plan.utterances, span: span, masked: count..<count + rows.count,
                ownRows: try everywhere ? Tensor(rows).to(device: device) : nil,
                choices: try ContrastiveChoices(
                    masked: everywhere ? plan.mask.frames : plan.mask.frames.map { Array($0.indices) },
                    candidateCounts: everywhere ? local.lengths : plan.mask.frames.map(\.count),
                    negatives: plan.negatives, groups: configuration.latentGroups, on: device),
                noise: try configuration.quantizeTargets
                    ? plan.noise.numbers(rows: rows.count, configuration, on: device) : nil,
                inputNoise: try configuration.quantizeInput
                    ? plan.inputNoise.numbers(rows: span.count, configuration, on: device) : nil)
        }
    }

    /// How many frames of each sub-batch are masked.
    public var sampleSizes: [Int] { subBatches.map(\.choices.frames) }

    /// What decides the shapes of everything that a model computes.
    public var shape: Shape { Shape(self) }

    /// All tensors, always in the same order.
    public var tensors: [Tensor] {
        [samples, temperature, maskedRows] + [mask.frames, mask.channels].compactMap { $0 }
            + subBatches.flatMap(\.tensors)
    }
}
