import Torch

/// A batch for pre-training where the model is, with everything that was chosen for it.
///
/// All numbers that the model reads are in tensors, so that what is recorded for one batch can be done again for another of
/// the same shape (``Torch/WorkRecorder``).
public struct PretrainingBatch {
    /// What decides the shapes of everything that a model computes.
    public struct Shape: Hashable {
        private let lengths: [Int]
        private let utterances: [Range<Int>]
        private let masked: [Int]
        private let compared: [BlockComparison.Shape]
        private let tensors: [[Int]]

        fileprivate init(_ batch: PretrainingBatch) {
            lengths = batch.lengths
            utterances = batch.numbering.utterances
            masked = batch.numbering.masked
            compared = batch.choices.shapes
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
    /// Where frames, masked rows and candidates of each segment lie.
    let numbering: SegmentNumbering
    /// The segments of all frames.
    let frames: RowSegments
    /// The segments of masked rows.
    let masked: RowSegments
    /// The sample size of each segment: FP32 [segments].
    let sizes: Tensor
    /// The frame of each masked row: int64 [masked rows].
    let maskedRows: Tensor
    /// The Gumbel softmax's temperature, a single number.
    let temperature: Tensor
    /// The candidates with which each masked row is compared.
    let choices: ContrastiveChoices
    /// The target quantizer's noise, FP32 [masked rows, groups, entries]; nil for none.
    let noise: Tensor?
    /// The input quantizer's noise, FP32 [frames, groups, entries]; nil for none.
    let inputNoise: Tensor?

    /// Gathers a batch for a model.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths], on the model's device.
    ///   - lengths: The samples of each utterance.
    ///   - plans: The random choices of each sub-batch; together they cover all utterances in order.
    ///   - temperature: The Gumbel softmax's temperature.
    ///   - model: The model.
    /// - Throws: ``ConfigurationError`` for an utterance shorter than one frame or a sub-batch without a masked frame;
    ///   `TorchError.shape` for noise in some sub-batches alone; `TorchError.operation` if memory runs out.
    public init(
        _ samples: Tensor, lengths: [Int], plans: [SubBatchPlan], temperature: Double,
        for model: PretrainingModel
    ) throws {
        let (device, configuration) = (samples.device, model.model.configuration)
        let layout = try model.model.featureExtractor.layout(samples: lengths)
        (self.samples, self.lengths, self.layout) = (samples, lengths, layout)
        self.temperature = try .scalar(temperature, device: device)
        mask = try PlacedMask(
            Mask.joined(plans.map(\.mask)), layout, channels: configuration.encoderEmbedDim, on: device)
        numbering = try SegmentNumbering(
            plans, layout, comparesAllFrames: model.objective.negativesFromEverywhere)
        frames = try RowSegments(numbering.frames, on: device)
        masked = try RowSegments(numbering.masked, on: device)
        sizes = try Tensor(numbering.masked.map { Float($0) }).to(device: device)
        maskedRows = try Tensor(numbering.maskedFrames).to(device: device)
        choices = try ContrastiveChoices(
            masked: numbering.truths, candidateCounts: numbering.candidates,
            negatives: .joined(plans.map(\.negatives)), segments: numbering.utterances,
            groups: configuration.latentGroups, on: device)
        noise =
            try configuration.quantizeTargets
            ? QuantizerNoise.numbers(plans.map(\.noise), rows: numbering.masked, configuration, on: device) : nil
        inputNoise =
            try configuration.quantizeInput
            ? QuantizerNoise.numbers(plans.map(\.inputNoise), rows: numbering.frames, configuration, on: device) : nil
    }

    /// How many frames of each sub-batch are masked.
    public var sampleSizes: [Int] { numbering.masked }

    /// What decides the shapes of everything that a model computes.
    public var shape: Shape { Shape(self) }

    /// All tensors that ``shape`` does not decide, always in the same order.
    public var tensors: [Tensor] {
        [samples, temperature, maskedRows]
            + [mask.frames, mask.channels, noise, inputNoise].compactMap { $0 } + choices.tensors
    }
}
