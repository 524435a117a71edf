import W2VBackbone
import W2VTorch

/// What the contrastive objective draws for a batch, where the model is.
public struct ContrastiveDraws: BatchDraws {
    /// Where masked rows and candidates of each segment lie.
    let numbering: SegmentNumbering
    /// The segments of all frames.
    let frames: RowSegments
    /// The segments of masked rows.
    let masked: RowSegments
    /// The sample size of each segment: FP32 [segments].
    let sizes: Tensor
    /// The Gumbel softmax's temperature, a single number.
    let temperature: Tensor
    /// The candidates with which each masked row is compared.
    let choices: ContrastiveChoices
    /// The target quantizer's noise, FP32 [masked rows, groups, entries]; nil for none.
    let noise: Tensor?
    /// The input quantizer's noise, FP32 [frames, groups, entries]; nil for none.
    let inputNoise: Tensor?

    /// Brings draws to the model's device.
    ///
    /// - Parameters:
    ///   - plans: The random choices of each segment; together they cover all utterances in order.
    ///   - backbone: Groups and entries of the code books.
    /// - Throws: `ConfigurationError` for a segment without a masked frame; `TorchError.shape` for noise in some
    ///   segments alone.
    init(
        _ plans: [SubBatchPlan], _ batch: UtteranceBatch, temperature: Double,
        _ configuration: ContrastiveConfiguration, _ backbone: ModelConfiguration
    ) throws {
        let device = batch.device
        self.temperature = try .scalar(temperature, device: device)
        numbering = try SegmentNumbering(
            plans, batch.layout, comparesAllFrames: configuration.negativesFromEverywhere)
        frames = try RowSegments(numbering.frames, on: device)
        masked = try RowSegments(numbering.masked, on: device)
        sizes = try Tensor(numbering.masked.map { Float($0) }).to(device: device)
        choices = try ContrastiveChoices(
            masked: numbering.truths, candidateCounts: numbering.candidates,
            negatives: .joined(plans.map(\.negatives)), segments: numbering.utterances,
            groups: backbone.latentGroups, on: device)
        noise =
            try backbone.quantizeTargets
            ? QuantizerNoise.numbers(plans.map(\.noise), rows: numbering.masked, backbone, on: device) : nil
        inputNoise =
            try backbone.quantizeInput
            ? QuantizerNoise.numbers(plans.map(\.inputNoise), rows: numbering.frames, backbone, on: device) : nil
    }

    /// The comparisons, whose indices' shapes do not say which utterances they are of.
    public var shape: AnyHashable { AnyHashable(choices.shapes) }

    /// All tensors that ``shape`` does not decide, always in the same order.
    public var tensors: [Tensor] { [temperature] + [noise, inputNoise].compactMap { $0 } + choices.tensors }
}

/// A batch for pre-training.
public typealias PretrainingBatch = ObjectiveBatch<ContrastiveObjective>

extension ObjectiveBatch where Main == ContrastiveObjective {
    /// Gathers a batch for a model, with choices that were made already.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths], on the model's device.
    ///   - lengths: The samples of each utterance.
    ///   - plans: The random choices of each segment; together they cover all utterances in order.
    /// - Throws: `ConfigurationError` for an utterance shorter than one frame or a segment without a masked frame;
    ///   `TorchError.shape` for noise in some segments alone.
    public init(
        _ samples: Tensor, lengths: [Int], plans: [SubBatchPlan], temperature: Double, for model: PretrainingModel
    ) throws {
        let utterances = try UtteranceBatch(
            lengths: lengths, layout: model.backbone.featureExtractor.layout(samples: lengths),
            segments: plans.map(\.utterances), masks: plans.map(\.mask), on: samples.device)
        try self.init(
            samples, utterances,
            draws: ContrastiveDraws(
                plans, utterances, temperature: temperature, model.main.configuration, model.backbone.configuration),
            for: model.backbone)
    }
}
