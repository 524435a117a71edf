import W2VBackbone
import W2VKernels
import W2VTorch

/// wav2vec 2.0 with its pre-training objective (paper, section 3).
public typealias PretrainingModel = ObjectiveModel<ContrastiveObjective>

/// The objective of pre-training (paper, section 3): from its context vector, a masked frame's own quantized features
/// must be told from distractors.
public final class ContrastiveObjective: Module, LeadingObjective {
    /// The section of recipes.
    public static let name = "objective"
    /// The three terms of the loss, the accuracy, and the use of code books.
    public static let metrics = ContrastiveMetrics.all
    /// Empty: the backbone's parameters have no prefix.
    public static let backboneKey = ""
    /// Empty: the objective's own parameters have no prefix.
    public static let ownKey = ""
    /// True: masked frames' features are the targets.
    public static let readsMaskedFeatures = true

    /// The quantizer of the targets; absent when targets are continuous.
    @Child("quantizer") public var quantizer: GumbelVectorQuantizer?
    @Child("project_q") var targetProjection: Linear
    @Child("input_quantizer") var ownInputQuantizer: GumbelVectorQuantizer?
    @Child("project_inp") var inputProjection: Linear?
    @Child("target_glu.0") var targetGate: Linear?
    @Child("final_proj") var finalProjection: Linear
    /// The choice of negatives and the weights of the losses.
    public let configuration: ContrastiveConfiguration
    private let backbone: ModelConfiguration
    private let temperature: TemperatureSchedule
    /// Whether cosine similarities of half-precision vectors are FP32.
    private var cosineInFP32 = false

    /// Makes quantizer and projections.
    public init(_ configuration: ContrastiveConfiguration, _ context: ObjectiveContext) throws {
        let (backbone, initializer) = (context.backbone, context.initializer)
        self.configuration = configuration
        self.backbone = backbone
        temperature = TemperatureSchedule(backbone.latentTemp)
        super.init()
        let (inputs, target) = (backbone.extractorChannels, backbone.targetChannels)
        let latent = backbone.latentDim > 0 ? backbone.latentDim : target
        quantizer =
            try backbone.quantizeTargets
            ? GumbelVectorQuantizer(inputs: inputs, outputs: latent, backbone, initializer: initializer) : nil
        targetProjection = try Linear(quantizer == nil ? inputs : latent, target, initializer: initializer)
        let shares = backbone.sameQuantizer && quantizer != nil
        let inputLatent = shares ? latent : backbone.latentDim > 0 ? backbone.latentDim : backbone.encoderEmbedDim
        ownInputQuantizer =
            try backbone.quantizeInput && !shares
            ? GumbelVectorQuantizer(inputs: inputs, outputs: inputLatent, backbone, initializer: initializer) : nil
        inputProjection =
            try backbone.quantizeInput
            ? Linear(inputLatent, backbone.encoderEmbedDim, initializer: initializer) : nil
        targetGate = try backbone.targetGlu ? Linear(target, 2 * target, initializer: initializer) : nil
        finalProjection = try Linear(backbone.encoderEmbedDim, target, initializer: initializer)
    }

    /// Returns the number of masked frames of each segment.
    public static func lossUnits(_ batch: UtteranceBatch) -> [Int] { batch.maskedFrames }

    /// Returns the Gumbel softmax's temperature.
    public func scheduledMetrics(update: Int) -> MetricSums {
        var metrics = MetricSums()
        metrics.add(ContrastiveMetrics.temperature, temperature.temperature(update: update))
        return metrics
    }

    /// Draws distractors and the Gumbel softmax's noise, each segment's from streams of its own.
    public func draw(_ batch: UtteranceBatch, from source: DrawSource) throws -> ContrastiveDraws {
        let everywhere = configuration.negativesFromEverywhere
        let negatives = Negatives.draw(
            configuration,
            batch.segments.enumerated().map { index, utterances in
                let masked = batch.masks[index].frames
                return Negatives.Pool(
                    masked: everywhere ? masked : masked.map { Array($0.indices) },
                    candidates: everywhere ? Array(batch.layout.lengths[utterances]) : masked.map(\.count),
                    stream: source.stream(.negatives, segment: index))
            }, entries: (backbone.latentVars, backbone.latentGroups))
        let plans = try batch.segments.enumerated().map { index, utterances in
            let (mask, negatives) = (batch.masks[index], negatives[index])
            guard source.trains else {
                return SegmentPlan(utterances: utterances, mask: mask, negatives: negatives, noise: .none)
            }
            var stream = source.stream(.gumbelNoise, segment: index)
            let noise = try Generator(seed: stream.seed(), device: batch.device)
            let inputNoise = try Generator(seed: stream.seed(), device: batch.device)
            return SegmentPlan(
                utterances: utterances, mask: mask, negatives: negatives, noise: .drawn(noise),
                inputNoise: .drawn(inputNoise))
        }
        return try ContrastiveDraws(
            plans, batch, temperature: temperature.temperature(update: max(1, source.update)), configuration, backbone)
    }

    /// Returns the loss of a batch, and the metrics of its segments.
    public func callAsFunction(
        _ encoding: Encoding, _ draws: ContrastiveDraws, _ pass: ForwardPass
    ) throws -> LossTerms {
        try losses(encoding, draws, pass).reported()
    }

    /// Makes cosine similarities FP32 if the precision requires it; the objective's own layers stay as they are.
    public func replaceLayers(for conversion: Conversion) throws {
        cosineInFP32 = conversion.precision.fp32CosineSim
    }

    /// Returns the losses of a batch (paper, section 3).
    ///
    /// All segments go through quantizer and losses together, as one ragged batch. Negatives, noise, quantizer
    /// statistics and penalties belong to each segment (``SegmentNumbering``), so that the sum equals that of separate
    /// passes.
    ///
    /// The probe sees `quantized`, `predictions`, `targets` and, if the plan keeps them, `logits` of all masked frames,
    /// segment by segment.
    func losses(_ encoding: Encoding, _ draws: ContrastiveDraws, _ pass: ForwardPass) throws -> ContrastiveTerms {
        try profiled(.contrastive) {
            try losses(
                encoding, targets: encoding.targets ?? encoding.features.normalized, context: encoding.maskedContext(),
                draws, pass)
        }
    }

    /// Quantizes targets, projects both sides, contrasts them, and adds penalty and diversity (equations 2 to 4).
    ///
    /// `truth` is the paper's qₜ of every masked frame, `predictions` its projected cₜ, `candidates` the vectors among
    /// which `draws.choices` names the distractors q̃. `draws.masked` and `draws.frames` are the segments of masked and of
    /// all frames, `draws.sizes` their numbers of masked frames, by which terms that are means are weighted.
    private func losses(
        _ encoding: Encoding, targets: Tensor, context: Tensor, _ draws: ContrastiveDraws, _ pass: ForwardPass
    ) throws -> ContrastiveTerms {
        let (truth, quantized) = try represent(
            targets.takingRows(encoding.batch.maskedRows), draws, noise: draws.noise, segments: draws.masked)
        pass.probe?("quantized", quantized?.vectors ?? truth.vectors)
        let candidates = try candidates(for: truth, targets, at: encoding.batch.maskedRows, draws)
        let predictions = try finalProjection(context)
        pass.probe?("predictions", predictions)
        pass.probe?("targets", truth.vectors)
        let contrastive = try contrastiveLoss(
            predictions: predictions, candidates: candidates.vectors, identities: candidates.identities,
            choices: draws.choices, codeVectors: codeVectors(draws.choices), temperature: configuration.logitTemp,
            infonce: configuration.infonce, inFP32: cosineInFP32, needsLogits: pass.plan.keepsLogits)
        if let logits = contrastive.logits { pass.probe?("logits", logits) }
        // The feature penalty is the mean square of the extractor's output, before its LayerNorm.
        let energy = try draws.frames.means(encoding.features.raw.to(dtype: .float32).squared().mean(-1))
        let statistics = quantized ?? encoding.quantizedInput
        return try ContrastiveTerms(
            contrastive: contrastive, of: draws, diversity: statistics.map { try diversity($0, draws) },
            penalty: energy * draws.sizes * configuration.lossWeights[1], featurePenalty: energy, quantized: statistics)
    }

    /// Returns the weighted diversity loss of each segment, equation 4 in fairseq's form: (GV − Σ perplexities) / GV,
    /// the share of unused entries.
    private func diversity(_ quantized: Quantized, _ draws: ContrastiveDraws) throws -> Tensor {
        let entries = Double(quantized.entryCount)
        return try (entries - quantized.probabilityPerplexity) * draws.sizes * (configuration.lossWeights[0] / entries)
    }

    // MARK: Quantization (section 2)

    /// Returns the normalized features after dropout.
    public func targets(_ features: Wav2Vec2Model.Features, _ pass: ForwardPass) throws -> Tensor? {
        try profiled(.quantizer) { try features.normalized.dropout(backbone.dropoutFeatures, pass.mode) }
    }

    /// Vectors in the space of targets, and numbers that are equal for equal vectors: int64 [rows], nil if all differ.
    private typealias Representations = (vectors: Tensor, identities: Tensor?)

    /// Returns the encoder's input, quantized if the model does so.
    public func encoderInput(
        _ projected: Tensor, _ draws: ContrastiveDraws
    ) throws -> (input: Tensor, quantized: Quantized?) {
        guard let inputProjection else { return (projected, nil) }
        guard let quantizer = ownInputQuantizer ?? quantizer else {
            throw ConfigurationError("quantize_input is on, but the model has no quantizer")
        }
        let quantized = try quantizer(
            projected, temperature: draws.temperature, noise: draws.inputNoise, segments: draws.frames)
        return (try inputProjection(quantized.vectors), quantized)
    }

    /// Returns the representations of features: quantized, if the model does so, and projected.
    private func represent(
        _ features: Tensor, _ draws: ContrastiveDraws, noise: Tensor?, segments: RowSegments?
    ) throws -> (Representations, Quantized?) {
        try profiled(.quantizer) {
            guard let quantizer else { return ((try gated(targetProjection(features)), nil), nil) }
            let quantized = try quantizer(features, temperature: draws.temperature, noise: noise, segments: segments)
            return (
                (try gated(targetProjection(quantized.vectors)), try codeIdentities(quantized.codes, quantizer)),
                quantized
            )
        }
    }

    /// Returns all candidates: the masked frames' true vectors, or those of all frames.
    private func candidates(
        for truth: Representations, _ features: Tensor, at maskedRows: Tensor, _ draws: ContrastiveDraws
    ) throws -> Representations {
        guard configuration.negativesFromEverywhere else { return truth }
        // The masked frames keep the vectors that their own quantization chose.
        let (all, _) = try represent(features, draws, noise: nil, segments: nil)
        return (
            try all.vectors.replacing(maskedRows, with: truth.vectors),
            try all.identities.flatMap { all in
                try truth.identities.map { try all.replacing(maskedRows, with: $0) }
            }
        )
    }

    private func gated(_ vectors: Tensor) throws -> Tensor {
        try targetGate.map { try $0(vectors).glu() } ?? vectors
    }

    /// Returns one number per combination of entries: equal if and only if the vectors are.
    private func codeIdentities(_ codes: Tensor, _ quantizer: GumbelVectorQuantizer) throws -> Tensor {
        // The codes are the digits of a number to base V.
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
