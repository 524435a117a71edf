import Torch

/// The random choices of one sub-batch.
public struct SubBatchPlan: Sendable {
    /// The utterances of the batch that belong to it.
    public var utterances: Range<Int>
    /// What is masked in them.
    public var mask: Mask
    /// The distractors of their masked frames.
    public var negatives: Negatives
    /// The target quantizer's noise.
    public var noise: QuantizerNoise
    /// The input quantizer's noise, where the model has one.
    public var inputNoise: QuantizerNoise

    /// Gathers the choices.
    public init(
        utterances: Range<Int>, mask: Mask, negatives: Negatives, noise: QuantizerNoise,
        inputNoise: QuantizerNoise = .none
    ) {
        self.utterances = utterances
        self.mask = mask
        self.negatives = negatives
        self.noise = noise
        self.inputNoise = inputNoise
    }
}

/// The losses of one sub-batch, each summed over its masked frames, and what is worth watching.
public struct PretrainingLosses {
    /// All terms together.
    public let total: Tensor
    /// The contrastive term.
    public let contrastive: ContrastiveLoss
    /// The weighted diversity term; absent without a quantizer.
    public let diversity: Tensor?
    /// The weighted penalty on the features' energy.
    public let penalty: Tensor
    /// The features' mean square, unweighted.
    public let featurePenalty: Tensor
    /// The quantizer's result, if there is one.
    public let quantized: Quantized?
    /// How many frames were masked: fairseq's sample size.
    public let sampleSize: Int
}

/// wav2vec 2.0 with its pre-training objective (paper, section 3).
public final class PretrainingModel: Module {
    /// The part that fine-tuning keeps: feature extractor and encoder.
    @Child("") public var model: Wav2Vec2Model
    /// The quantizer of the targets; absent when targets are continuous.
    @Child("quantizer") public var quantizer: GumbelVectorQuantizer?
    @Child("project_q") var targetProjection: Linear
    @Child("input_quantizer") private var ownInputQuantizer: GumbelVectorQuantizer?
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

    /// The losses of each sub-batch of a batch.
    ///
    /// All sub-batches go through extractor and encoder together; masks, negatives, quantizer statistics and penalties
    /// are each sub-batch's own, so the sum equals that of separate passes.
    ///
    /// The probe sees the model's stages, and `quantized`, `predictions`, `targets` and, where the plan keeps them, `logits` of
    /// each sub-batch. Of the encoder's output only masked frames are read.
    ///
    /// - Parameters:
    ///   - batch: The utterances, and what was chosen for them.
    ///   - pass: Dropouts, LayerDrop and probe.
    /// - Returns: One set of losses a sub-batch, in order.
    /// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
    public func callAsFunction(_ batch: PretrainingBatch, _ pass: ForwardPass) throws -> [PretrainingLosses] {
        let configuration = model.configuration
        let features = try model.features(batch.samples, lengths: batch.lengths, pass)
        let targets = try profiled(.quantizer) {
            try features.normalized.dropout(configuration.dropoutFeatures, pass.mode)
        }
        var inputQuantized: [Quantized] = []
        let context = try model.context(
            of: features, mask: batch.mask, channelsFirst: maskChannelBefore, readRows: batch.maskedRows, pass
        ) { input in
            guard let inputProjection else { return input }
            let parts = try batch.subBatches.map { part in
                let quantized = try inputQuantizer().callAsFunction(
                    input.rows(part.span), temperature: batch.temperature, noise: part.inputNoise)
                inputQuantized.append(quantized)
                return try inputProjection(quantized.vectors)
            }
            return try .concatenate(parts)
        }
        let masked = try targets.takingRows(batch.maskedRows)
        return try batch.subBatches.enumerated().map { index, part in
            try profiled(.contrastive) {
                try losses(
                    part, features: features,
                    targets: (everywhere: targets.rows(part.span), masked: masked.rows(part.masked)),
                    context: context.rows(part.masked), temperature: batch.temperature,
                    inputQuantized: inputQuantized.isEmpty ? nil : inputQuantized[index], pass)
            }
        }
    }

    private func inputQuantizer() throws -> GumbelVectorQuantizer {
        guard let found = ownInputQuantizer ?? quantizer else {
            throw ConfigurationError("quantize_input is on, but the model has no quantizer")
        }
        return found
    }

    private func losses(
        _ part: PretrainingBatch.SubBatch, features: Wav2Vec2Model.Features,
        targets: (everywhere: Tensor, masked: Tensor),
        context: Tensor, temperature: Tensor, inputQuantized: Quantized?, _ pass: ForwardPass
    ) throws -> PretrainingLosses {
        // The true vectors come first; they are candidates themselves unless all frames are.
        var quantized: Quantized?
        func represent(_ input: Tensor, keep: Bool) throws -> (vectors: Tensor, identities: Tensor?) {
            try profiled(.quantizer) {
                guard let quantizer else { return (try gated(targetProjection(input)), nil) }
                let result = try quantizer(input, temperature: temperature, noise: keep ? part.noise : nil)
                if keep { quantized = result }
                return (try gated(targetProjection(result.vectors)), try codeIdentities(result.codes, quantizer))
            }
        }
        let truth = try represent(targets.masked, keep: true)
        pass.probe?("quantized", quantized?.vectors ?? truth.vectors)
        var candidates = truth.vectors
        var identities = truth.identities
        if let places = part.ownRows {
            // All frames are candidates; the masked ones keep the vectors that their own quantization chose.
            let everywhere = try represent(targets.everywhere, keep: false)
            candidates = try everywhere.vectors.replacing(places, with: truth.vectors)
            if let all = everywhere.identities, let own = truth.identities {
                identities = try all.replacing(places, with: own)
            }
        }
        let predictions = try finalProjection(context)
        pass.probe?("predictions", predictions)
        pass.probe?("targets", truth.vectors)
        let contrastive = try contrastiveLoss(
            predictions: predictions, candidates: candidates, identities: identities, choices: part.choices,
            codeVectors: codeVectors(part.choices), temperature: objective.logitTemp, infonce: objective.infonce,
            inFP32: cosineInFP32, needsLogits: pass.plan.keepsLogits)
        if let logits = contrastive.logits { pass.probe?("logits", logits) }
        let sampleSize = part.choices.frames
        var total = contrastive.loss
        let featurePenalty = try features.raw.rows(part.span).to(dtype: .float32).squared().mean()
        let penalty = try featurePenalty * (objective.lossWeights[1] * Double(sampleSize))
        total = try total + penalty
        let statistics = quantized ?? inputQuantized
        let diversity = try statistics.map { statistics in
            let entries = Double(statistics.entryCount)
            return try (entries - statistics.probabilityPerplexity)
                * (objective.lossWeights[0] * Double(sampleSize) / entries)
        }
        if let diversity { total = try total + diversity }
        return PretrainingLosses(
            total: total, contrastive: contrastive, diversity: diversity, penalty: penalty,
            featurePenalty: featurePenalty, quantized: statistics, sampleSize: sampleSize)
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
