import W2VBackbone
import W2VTorch

/// The random draws of the contrastive objective for a batch, on the model's device.
public struct ContrastiveDraws: BatchDraws {
    /// The numbering of each segment's masked rows and candidates.
    let numbering: SegmentNumbering
    /// The frames, by segment.
    let frames: RowSegments
    /// The masked rows, by segment.
    let masked: RowSegments
    /// The sample size of each segment: FP32 [segments].
    let sizes: Tensor
    /// The Gumbel softmax's temperature, a scalar.
    let temperature: Tensor
    /// The candidates that each masked row is compared with.
    let choices: ContrastiveChoices
    /// The target quantizer's noise, FP32 [masked rows, groups, entries]; nil for none.
    let noise: Tensor?
    /// The input quantizer's noise, FP32 [frames, groups, entries]; nil for none.
    let inputNoise: Tensor?

    /// Copies draws to the model's device.
    ///
    /// - Parameters:
    ///   - plans: The random choices of each segment; together they cover all utterances in order.
    ///   - backbone: The numbers of code books and entries.
    /// - Throws: `ConfigurationError` for a segment without a masked frame; `TorchError.shape` if only some segments
    ///   have noise.
    init(
        _ plans: [SegmentPlan], _ batch: UtteranceBatch, temperature: Double,
        _ configuration: ContrastiveConfiguration, _ backbone: ModelConfiguration
    ) throws {
        let (upload, device) = (batch.upload, batch.device)
        self.temperature = try upload.add([Float(temperature)], shape: [])
        numbering = try SegmentNumbering(
            plans, batch.layout, comparesAllFrames: configuration.negativesFromEverywhere)
        frames = try RowSegments(numbering.frames, through: upload)
        masked = try RowSegments(numbering.masked, through: upload)
        sizes = try upload.add(numbering.masked.map { Float($0) })
        choices = try ContrastiveChoices(
            masked: numbering.truths, candidateCounts: numbering.candidates,
            negatives: .joined(plans.map(\.negatives)), segments: numbering.utterances,
            groups: backbone.latentGroups, through: upload)
        noise =
            try backbone.quantizeTargets
            ? QuantizerNoise.numbers(plans.map(\.noise), rows: numbering.masked, backbone, on: device) : nil
        inputNoise =
            try backbone.quantizeInput
            ? QuantizerNoise.numbers(plans.map(\.inputNoise), rows: numbering.frames, backbone, on: device) : nil
    }

    /// The comparisons, whose tensors' shapes alone do not tell which utterances the indices refer to.
    public var shape: AnyHashable { AnyHashable(choices.shapes) }

    /// All tensors that ``shape`` does not decide, always in the same order.
    public var tensors: [Tensor] { [temperature] + [noise, inputNoise].compactMap { $0 } + choices.tensors }
}

/// A batch for pre-training.
public typealias PretrainingBatch = ObjectiveBatch<ContrastiveObjective>

extension ObjectiveBatch where Main == ContrastiveObjective {
    /// Makes a batch for a model, with draws that were made before.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths], on the model's device.
    ///   - lengths: The samples of each utterance.
    ///   - plans: The random choices of each segment; together they cover all utterances in order.
    /// - Throws: `ConfigurationError` for an utterance shorter than one frame or a segment without a masked frame;
    ///   `TorchError.shape` if only some segments have noise.
    public init(
        _ samples: Tensor, lengths: [Int], plans: [SegmentPlan], temperature: Double, for model: PretrainingModel
    ) throws {
        let utterances = try UtteranceBatch(
            lengths: lengths, layout: model.backbone.featureExtractor.layout(samples: lengths),
            segments: plans.map(\.utterances), masks: plans.map(\.mask),
            through: Upload(to: samples.device))
        try self.init(
            samples, utterances,
            draws: ContrastiveDraws(
                plans, utterances, temperature: temperature, model.main.configuration, model.backbone.configuration),
            for: model.backbone)
    }
}
