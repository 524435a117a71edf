import Kernels
import Torch

/// wav2vec 2.0 with its pre-training objective (paper, section 3).
public final class PretrainingModel: Module {
    /// The part that fine-tuning keeps: feature extractor and encoder.
    @Child("") public var model: Wav2Vec2Model
    /// The quantizer of the targets; absent when targets are continuous.
    @Child("quantizer") public var quantizer: GumbelVectorQuantizer?
    @Child("project_q") var targetProjection: Linear
    @Child("input_quantizer") var ownInputQuantizer: GumbelVectorQuantizer?
    @Child("project_inp") var inputProjection: Linear?
    @Child("target_glu.0") var targetGate: Linear?
    @Child("final_proj") var finalProjection: Linear
    /// How negatives are chosen and losses weighted.
    public let objective: ObjectiveConfiguration
    /// Whether channels are masked before frames.
    public let maskChannelBefore: Bool
    /// Whether cosine similarities of half-precision vectors are FP32.
    var cosineInFP32 = false

    /// Makes a model.
    ///
    /// - Parameters:
    ///   - configuration: The architecture.
    ///   - objective: The losses.
    ///   - maskChannelBefore: Whether channels are masked before frames.
    ///   - initializer: Where parameters come from.
    /// - Throws: ``ConfigurationError`` naming the setting that no model can have; `TorchError.operation` if LibTorch
    ///   refuses.
    public init(
        _ configuration: ModelConfiguration, objective: ObjectiveConfiguration = .init(),
        maskChannelBefore: Bool = false, initializer: Initializer
    ) throws {
        self.objective = objective
        self.maskChannelBefore = maskChannelBefore
        super.init()
        model = try Wav2Vec2Model(configuration, initializer: initializer)
        let (inputs, target) = (configuration.extractorChannels, configuration.targetChannels)
        let latent = configuration.latentDim > 0 ? configuration.latentDim : target
        quantizer =
            try configuration.quantizeTargets
            ? GumbelVectorQuantizer(inputs: inputs, outputs: latent, configuration, initializer: initializer) : nil
        targetProjection = try Linear(quantizer == nil ? inputs : latent, target, initializer: initializer)
        let shares = configuration.sameQuantizer && quantizer != nil
        let inputLatent =
            shares ? latent : configuration.latentDim > 0 ? configuration.latentDim : configuration.encoderEmbedDim
        ownInputQuantizer =
            try configuration.quantizeInput && !shares
            ? GumbelVectorQuantizer(inputs: inputs, outputs: inputLatent, configuration, initializer: initializer) : nil
        inputProjection =
            try configuration.quantizeInput
            ? Linear(inputLatent, configuration.encoderEmbedDim, initializer: initializer) : nil
        targetGate = try configuration.targetGlu ? Linear(target, 2 * target, initializer: initializer) : nil
        finalProjection = try Linear(configuration.encoderEmbedDim, target, initializer: initializer)
    }

    /// The losses of a batch (paper, section 3).
    ///
    /// All segments of the batch go through extractor, encoder, quantizer and losses together, as one ragged batch. Masks,
    /// negatives, noise, quantizer statistics and penalties are each segment's own (`SegmentNumbering`), so that the sum
    /// equals that of separate passes.
    ///
    /// The probe sees the model's stages, and `quantized`, `predictions`, `targets` and, where the plan keeps them, `logits` of
    /// all masked frames, segment by segment. Of the encoder's output no other frames are read.
    ///
    /// - Parameters:
    ///   - batch: The utterances, and what was chosen for them.
    ///   - pass: Dropouts, LayerDrop and probe.
    /// - Returns: The losses of each segment, and their sum.
    /// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
    public func callAsFunction(_ batch: PretrainingBatch, _ pass: ForwardPass) throws -> PretrainingLosses {
        let features = try model.features(batch.samples, lengths: batch.lengths, pass)
        let targets = try profiled(.quantizer) {
            try features.normalized.dropout(model.configuration.dropoutFeatures, pass.mode)
        }
        var inputQuantized: Quantized?
        let context = try model.context(
            of: features, mask: batch.mask, channelsFirst: maskChannelBefore, readRows: batch.maskedRows, pass
        ) { projected in
            let (input, quantized) = try encoderInput(projected, batch)
            inputQuantized = quantized
            return input
        }
        return try profiled(.contrastive) {
            try losses(features, targets: targets, context: context, inputQuantized: inputQuantized, batch, pass)
        }
    }

    /// Quantizes targets, projects both sides, contrasts them, and adds penalty and diversity (equations 2 to 4).
    private func losses(
        _ features: Wav2Vec2Model.Features, targets: Tensor, context: Tensor, inputQuantized: Quantized?,
        _ batch: PretrainingBatch, _ pass: ForwardPass
    ) throws -> PretrainingLosses {
        let (truth, quantized) = try represent(
            targets.takingRows(batch.maskedRows), batch, noise: batch.noise, segments: batch.masked)
        pass.probe?("quantized", quantized?.vectors ?? truth.vectors)
        let candidates = try candidates(for: truth, targets, batch)
        let predictions = try finalProjection(context)
        pass.probe?("predictions", predictions)
        pass.probe?("targets", truth.vectors)
        let contrastive = try contrastiveLoss(
            predictions: predictions, candidates: candidates.vectors, identities: candidates.identities,
            choices: batch.choices, codeVectors: codeVectors(batch.choices), temperature: objective.logitTemp,
            infonce: objective.infonce, inFP32: cosineInFP32, needsLogits: pass.plan.keepsLogits)
        if let logits = contrastive.logits { pass.probe?("logits", logits) }
        let energy = try batch.frames.means(features.raw.to(dtype: .float32).squared().mean(-1))
        let statistics = quantized ?? inputQuantized
        return try PretrainingLosses(
            contrastive: contrastive, of: batch, diversity: statistics.map { try diversity($0, batch) },
            penalty: energy * batch.sizes * objective.lossWeights[1], featurePenalty: energy, quantized: statistics)
    }

    /// The weighted diversity loss of each segment (equation 4 in fairseq's form: the share of entries that are not in use).
    private func diversity(_ quantized: Quantized, _ batch: PretrainingBatch) throws -> Tensor {
        let entries = Double(quantized.entryCount)
        return try (entries - quantized.probabilityPerplexity) * batch.sizes * (objective.lossWeights[0] / entries)
    }

    // MARK: Quantization (section 2)

    /// Vectors of the targets' space, and what makes two of them the same: int64 [rows], nil if none ever are.
    private typealias Representations = (vectors: Tensor, identities: Tensor?)

    /// The encoder's input, quantized where the model does so.
    private func encoderInput(_ input: Tensor, _ batch: PretrainingBatch) throws -> (Tensor, Quantized?) {
        guard let inputProjection else { return (input, nil) }
        guard let quantizer = ownInputQuantizer ?? quantizer else {
            throw ConfigurationError("quantize_input is on, but the model has no quantizer")
        }
        let quantized = try quantizer(
            input, temperature: batch.temperature, noise: batch.inputNoise, segments: batch.frames)
        return (try inputProjection(quantized.vectors), quantized)
    }

    /// The representations of features: quantized, where the model does so, and projected.
    private func represent(
        _ features: Tensor, _ batch: PretrainingBatch, noise: Tensor?, segments: RowSegments?
    ) throws -> (Representations, Quantized?) {
        try profiled(.quantizer) {
            guard let quantizer else { return ((try gated(targetProjection(features)), nil), nil) }
            let quantized = try quantizer(features, temperature: batch.temperature, noise: noise, segments: segments)
            return (
                (try gated(targetProjection(quantized.vectors)), try codeIdentities(quantized.codes, quantizer)),
                quantized
            )
        }
    }

    /// All candidates: the masked frames' true vectors, or those of all frames.
    private func candidates(
        for truth: Representations, _ features: Tensor, _ batch: PretrainingBatch
    ) throws -> Representations {
        guard objective.negativesFromEverywhere else { return truth }
        // The masked frames keep the vectors that their own quantization chose.
        let (all, _) = try represent(features, batch, noise: nil, segments: nil)
        return (
            try all.vectors.replacing(batch.maskedRows, with: truth.vectors),
            try all.identities.flatMap { all in
                try truth.identities.map { try all.replacing(batch.maskedRows, with: $0) }
            }
        )
    }

    private func gated(_ vectors: Tensor) throws -> Tensor {
        try targetGate.map { try $0(vectors).glu() } ?? vectors
    }

    /// One number for each choice of entries: two vectors are the same if and only if these are.
    private func codeIdentities(_ codes: Tensor, _ quantizer: GumbelVectorQuantizer) throws -> Tensor {
        var identity = try codes.selected(-1, 0)
        for group in 1..<max(1, quantizer.groups) {
            identity = try identity.multiplied(by: quantizer.entriesPerGroup) + codes.selected(-1, group)
        }
        return identity
    }

    private func codeVectors(_ choices: ContrastiveChoices) throws -> (vectors: Tensor, identities: Tensor)? {
        guard let codes = choices.codes, let quantizer else { return nil }
        let vectors = try gated(targetProjection(quantizer.vectors(codes)))
        return (
            try vectors.viewed(choices.frames, -1, vectors.size(1)),
            try codeIdentities(codes, quantizer).viewed(choices.frames, -1)
        )
    }
}
