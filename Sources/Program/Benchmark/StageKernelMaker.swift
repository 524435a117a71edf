import W2VBackbone
import W2VBase
import W2VKernels
import W2VObjectives
import W2VTorch

/// Makes the kernels of a model's parts.
struct StageKernelMaker {
    let configuration: ModelConfiguration
    let model: PretrainingModel
    let samples: [Int]
    let precision: ModelPrecision
    let dtype: DType
    let isReproducible: Bool
    let device: Device
    let layout: RaggedLayout
    let generator: Generator
    /// Made before all kernels: it moves the parameters, whose gradients the kernels compute.
    let parameters: FlatParameters

    init(
        _ configuration: ModelConfiguration, _ model: PretrainingModel, samples: [Int], precision: ModelPrecision,
        isReproducible: Bool, device: Device
    ) throws {
        self.configuration = configuration
        self.model = model
        self.samples = samples
        self.precision = precision
        self.isReproducible = isReproducible
        self.device = device
        dtype = precision.mode.dtype
        layout = try model.backbone.featureExtractor.layout(samples: samples)
        parameters = try FlatParameters(model.parameters())
        try model.convert(for: .training, on: device, precision: precision)
        if precision.mode.isHalf { try parameters.lower(to: dtype, except: precision.keepsExact) }
        generator = try Generator(seed: 1)
    }

    private func random(_ shape: [Int]) throws -> Tensor {
        try Tensor.normal(shape, generator: generator).to(dtype: dtype, device: device).requiringGradient(true)
    }

    private func leaves(_ module: Module?, _ inputs: Tensor...) -> [Tensor] {
        inputs + (module?.parameters().map(\.tensor) ?? [])
    }

    private func product(
        _ name: String, _ operations: Double, backward: Double? = nil, _ leaves: [Tensor],
        _ forward: @escaping () throws -> Tensor
    ) -> StageKernel {
        StageKernel(
            name: name, forwardWork: .operations(operations), backwardWork: .operations(backward ?? 2 * operations),
            leaves: leaves, forward: forward)
    }

    // MARK: Stages

    func extractor() throws -> [StageKernel] {
        let extractor = model.backbone.featureExtractor
        let count = model.backbone.operations(samples: samples)
        let hop = extractor.layers.hop
        let rows = RaggedLayout(samples.map { ($0 + hop - 1) / hop })
        let signal = try Tensor.normal([rows.total * hop, 1], generator: generator).to(device: device)
        var stages: [(block: ExtractorBlock, layout: RaggedLayout, valid: [Int])] = []
        var (remaining, valid) = (hop, samples)
        for (block, layer) in zip(extractor.blocks, extractor.layers.layers) {
            remaining /= layer.stride
            valid = valid.map(layer.outputs)
            stages.append((block, RaggedLayout(rows.lengths.map { [remaining] in $0 * remaining }), valid))
        }
        let first = stages.removeFirst()
        let others = stages
        // Rows that straddle utterances hold meaningless numbers, which may differ between devices.
        let frames = zip(first.layout.offsets, first.valid).flatMap { Array($0..<$0 + $1) }
        let kept = try isReproducible ? Tensor(frames).to(device: device) : nil
        func start() throws -> Tensor {
            let whole = try first.block(
                ExtractorActivation(signal), ExtractorRows(layout: first.layout, valid: first.valid)
            )
            .finished()
            return try kept.map { try whole.takingRows($0) } ?? whole
        }
        let middle = try random([first.layout.total, first.block.weight.size(0)])
        return [
            product(
                Profile.Stage.firstConvolution.name, count.firstLayer, backward: count.firstLayer,
                first.block.parameters().map(\.tensor), start),
            product(
                Profile.Stage.convolutions.name, count.extractor - count.firstLayer,
                [middle] + others.flatMap { $0.block.parameters().map(\.tensor) }
            ) {
                try others.reduce(ExtractorActivation(middle)) {
                    try $1.block($0, ExtractorRows(layout: $1.layout, valid: $1.valid))
                }.finished()
            },
        ]
    }

    func encoder() throws -> [StageKernel] {
        let encoder = model.backbone.encoder
        guard let layer = encoder.layers.first ?? encoder.hourglass?.layers.first else { return [] }
        let layout = layout
        let (channels, inner) = (configuration.encoderEmbedDim, configuration.encoderFfnEmbedDim)
        let (rows, wide) = (Double(layout.total), Double(channels))
        let (input, branch) = (try random([layout.total, channels]), try random([layout.total, channels]))
        let hidden = try random([layout.total, inner])
        let bytes = Double(dtype.itemSize)
        let elements = bytes * rows * wide
        // Dropouts draw the same masks each time.
        let mode = Module.Mode.training(DropoutSource(RandomStream(seed: 1, purpose: .dropout)))
        let residual = leaves(layer.attentionNorm, input, branch)
        let embedding = model.backbone.maskEmbedding
        let flags = try Tensor((0..<layout.total).map { $0 % 20 < 9 }, shape: [layout.total, 1]).to(device: device)
        let positions = product(
            Profile.Stage.positionalConvolution.name,
            2 * rows * wide * wide * Double(configuration.convPos) / Double(configuration.convPosGroups),
            leaves(encoder.positions, input)
        ) { try encoder.positions(input, layout) }
        let products =
            try [positions] + transformer(layer, "a layer", layout, input, mode)
            + shortening(encoder.hourglass, input, mode)
        return products + [
            StageKernel(
                name: "GELU", forwardWork: .bytes(2 * bytes * rows * Double(inner)),
                backwardWork: .bytes(3 * bytes * rows * Double(inner)), leaves: [hidden]
            ) { try hidden.gelu() },
            StageKernel(
                name: "dropout, residual, LayerNorm", forwardWork: .bytes(3 * elements),
                backwardWork: .bytes(5 * elements), leaves: residual
            ) { try layer.attentionNorm(input, adding: branch, dropout: 0.1, mode.copied()) },
            StageKernel(
                name: "masks", forwardWork: .bytes(2 * elements), backwardWork: .bytes(2 * elements),
                leaves: [input, embedding]
            ) { try input.replacingRows(where: flags, with: embedding) },
            StageKernel(
                name: "dropout", forwardWork: .bytes(2 * elements), backwardWork: .bytes(2 * elements), leaves: [input]
            ) { try input.dropout(0.1, mode.copied()) },
        ]
    }

    /// Makes the matrix products of a layer over these rows.
    private func transformer(
        _ layer: EncoderLayer, _ name: String, _ layout: RaggedLayout, _ input: Tensor, _ mode: Module.Mode
    ) -> [StageKernel] {
        let (rows, wide) = (Double(layout.total), Double(configuration.encoderEmbedDim))
        let attention = layout.lengths.reduce(0.0) { $0 + 4 * Double($1 * $1) * wide } + 8 * rows * wide * wide
        let feedForward = 4 * rows * wide * Double(configuration.encoderFfnEmbedDim)
        return [
            product("attention, \(name)", attention, leaves(layer.attention, input)) {
                try layer.attention(input, layout, mode.copied())
            },
            product("feed-forward, \(name)", feedForward, leaves(layer.feedForward, input)) {
                try layer.feedForward(input, mode.copied())
            },
        ]
    }

    /// Makes the kernels of shortening and upsampling, and of a layer between them.
    private func shortening(_ hourglass: Hourglass?, _ input: Tensor, _ mode: Module.Mode) throws -> [StageKernel] {
        guard let hourglass, let layer = hourglass.layers.first else { return [] }
        let filled = layout.roundedUp(toMultipleOf: hourglass.factor)
        let short = RaggedLayout(filled.lengths.map { $0 / hourglass.factor })
        let channels = configuration.encoderEmbedDim
        let isLearned = configuration.hourglassResample == .linear
        let operations = 4 * Double(filled.total * channels * channels)
        let bytes = Double(2 * dtype.itemSize * layout.total * channels)
        let resampling = StageKernel(
            name: "shortening and expanding", forwardWork: isLearned ? .operations(operations) : .bytes(bytes),
            backwardWork: isLearned ? .operations(2 * operations) : .bytes(bytes),
            leaves: leaves(hourglass.downsample, input) + leaves(hourglass.upsample)
        ) { [layout] in try hourglass(input, layout, probe: nil) { hidden, _ in hidden } }
        return try [resampling] + transformer(layer, "a short layer", short, random([short.total, channels]), mode)
    }

    func objectives() throws -> [StageKernel] {
        let mask = try Mask.draw(
            MaskingConfiguration(), lengths: layout.lengths, channels: configuration.encoderEmbedDim, seed: 1,
            update: 1, subBatch: 0)
        let counts = mask.frames.map(\.count)
        let masked = counts.map { Array(0..<$0) }
        let negatives = Negatives.draw(
            model.main.configuration, masked: masked, candidates: counts,
            entries: (configuration.latentVars, configuration.latentGroups),
            stream: RandomStream(seed: 1, purpose: .negatives))
        let choices = try ContrastiveChoices(
            masked: masked, candidateCounts: counts, negatives: negatives, through: Upload(to: device))
        let total = counts.reduce(0, +)
        let target = configuration.targetChannels
        let features = try random([total, configuration.extractorChannels])
        let inFP32 = precision.fp32CosineSim
        let (predictions, candidates) = (try random([total, target]), try random([total, target]))
        let (temperature, infonce) = (model.main.configuration.logitTemp, model.main.configuration.infonce)
        // Some candidates are the same vector.
        let identities = try Tensor((0..<total).map { $0 % 97 }).to(device: device)
        var kernels: [StageKernel] = []
        if let quantizer = model.quantizer {
            let noise =
                try isReproducible
                ? nil
                : QuantizerNoise.drawn(Generator(seed: 1, device: device))
                    .numbers(rows: total, configuration, on: device)
            let temperature = try Tensor.scalar(2, device: device)
            let entries = Double(configuration.latentVars * configuration.latentGroups)
            kernels.append(
                product(
                    Profile.Stage.quantizer.name, 2 * Double(total) * Double(configuration.extractorChannels) * entries,
                    isReproducible ? [] : leaves(quantizer, features)
                ) {
                    let chosen = try quantizer(features, temperature: temperature, noise: noise)
                    // The choice of an entry may depend on rounding; the distribution of choices does not.
                    return isReproducible ? chosen.probabilityPerplexity : chosen.vectors
                })
        }
        kernels.append(
            product(
                "contrastive logits and loss", counts.reduce(0) { $0 + 2 * Double($1 * $1 * target) },
                [predictions, candidates]
            ) {
                try contrastiveLoss(
                    predictions: predictions, candidates: candidates, identities: identities, choices: choices,
                    codeVectors: nil, temperature: temperature, infonce: infonce, inFP32: inFP32
                ).losses.sum()
            })
        return kernels + [try ctc()]
    }

    /// Makes the CTC kernel: letters at English speaking rate, 14 per second, over the frames of the batch.
    private func ctc() throws -> StageKernel {
        let labels = 32
        let logits = try random([layout.total, labels])
        var letters = RandomStream(seed: 1, purpose: .synthesis)
        let targets = layout.lengths.map { length in
            (0..<max(1, length * 14 / 50)).map { _ in 4 + letters.integer(below: labels - 4) }
        }
        let layout = layout
        return StageKernel(
            name: "CTC loss", forwardWork: .uncounted, backwardWork: .uncounted, leaves: [logits]
        ) { try ctcLosses(logits, layout, targets: targets, zeroInfinity: true).sum() }
    }

    /// Makes the optimizer's kernel: Adam reads values, gradients and both moments, and writes all but the gradients;
    /// the kernel for GPUs clears those.
    func optimizer() throws -> StageKernel {
        let parameters = parameters
        let isFused = FusedAdam.supports(parameters)
        let options = Moments.Options(beta2: 0.98)
        let adam: any Optimizer = try isFused ? FusedAdam(parameters, options) : Adam(parameters, options)
        return StageKernel(
            name: "Adam", forwardWork: .bytes((isFused ? 32 : 28) * Double(parameters.values.count)),
            backwardWork: .uncounted, leaves: []
        ) {
            try adam.step(learningRate: 1e-5, gradientScale: 1)
            return parameters.values
        }
    }
}
