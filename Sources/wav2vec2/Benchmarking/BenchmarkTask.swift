import Randomness
import Torch
import Wav2Vec2

/// A model on synthetic audio, one step at a time.
protocol BenchmarkTask {
    /// The samples of each utterance.
    var samples: [Int] { get }
    /// The masked frames of the last step; nil where nothing is masked.
    var maskedFrames: Int? { get }
    /// Operations of a step.
    var operations: Double { get }

    /// Makes the step of this number, and returns when the device has done it.
    func step(_ number: Int) throws
}

private let seed: UInt64 = 1

/// Noise as long as all utterances together.
private func noise(_ samples: [Int], _ device: Device) throws -> Tensor {
    try Tensor.normal([samples.reduce(0, +)], generator: Generator(seed: Int64(seed))).to(device: device)
}

/// Moves a model's parameters.
private func move(_ model: Module, to device: Device) throws {
    guard device != .cpu else { return }
    for parameter in model.parameters() { parameter.tensor = try parameter.tensor.to(device: device) }
}

/// Backward pass, clipping and Adam over one flat buffer.
private final class Update {
    let parameters: FlatParameters
    let optimizer: Adam
    let clipNorm: Double
    let sums: GradientSums?

    init(_ model: Module, clipNorm: Double, sums: SumOptions? = nil) throws {
        let parameters = try FlatParameters(model.parameters())
        self.parameters = parameters
        optimizer = try Adam(parameters, .init())
        self.clipNorm = clipNorm
        self.sums = try sums.map { try GradientSums(parameters, $0) }
    }

    func callAsFunction(_ loss: Tensor, sampleSize: Int, unused: Set<String> = []) throws {
        sums?.noteForwardEnd()
        sums?.begin(unused: unused)
        try loss.backward()
        try sums?.finish()
        let norm = try gradientNorm([parameters]) / Double(sampleSize)
        let clip = clipNorm > 0 ? min(1, clipNorm / (norm + 1e-6)) : 1
        try optimizer.step(learningRate: 1e-5, gradientScale: clip / Double(sampleSize))
        try parameters.clearGradients()
        // Reading a number waits for the device.
        _ = try parameters.values.rows(0..<1).item()
        sums?.noteEnd()
    }
}

/// A pre-training update as the BASE recipe has it: all dropouts, LayerDrop, masks and negatives drawn anew.
final class PretrainingBenchmark: BenchmarkTask {
    let samples: [Int]
    private(set) var maskedFrames: Int?
    private let model: PretrainingModel
    private let update: Update
    private let audio: Tensor
    private let device: Device
    private let frames: [Int]

    /// Prepares a model and its audio.
    ///
    /// - Parameters:
    ///   - configuration: The model.
    ///   - samples: The samples of each utterance.
    ///   - device: Where the model runs.
    ///   - sums: How gradients are summed over processes; `nil` for a process on its own that notes no times.
    /// - Throws: `TorchError` if LibTorch cannot make the model.
    init(_ configuration: ModelConfiguration, samples: [Int], device: Device, sums: SumOptions? = nil) throws {
        self.samples = samples
        self.device = device
        frames = samples.map(configuration.convFeatureLayers.frames(samples:))
        model = try PretrainingModel(configuration, initializer: .random(seed: Int64(seed)))
        try move(model, to: device)
        update = try Update(model, clipNorm: 25, sums: sums)
        audio = try noise(samples, device)
    }

    var operations: Double {
        let configuration = model.model.configuration
        let share = Double(maskedFrames ?? 0) / Double(max(1, frames.reduce(0, +)))
        return OperationCount(
            configuration, samples: samples, head: .pretraining(masked: frames.map { Int(Double($0) * share) })
        ).training(trainsExtractor: true, layerDrop: configuration.encoderLayerdrop)
    }

    /// The sums over processes and the times of the last step, where asked for.
    var sums: GradientSums? { update.sums }

    func step(_ number: Int) throws {
        update.sums?.noteStart()
        let configuration = model.model.configuration
        let mask = try Mask.draw(
            MaskingConfiguration(), lengths: frames, channels: configuration.encoderEmbedDim, seed: seed,
            update: number, subBatch: 0)
        let counts = mask.frames.map(\.count)
        let negatives = Negatives.draw(
            model.objective, masked: counts.map { Array(0..<$0) }, candidates: counts,
            entries: (configuration.latentVars, configuration.latentGroups),
            stream: RandomStream(seed: seed, purpose: .negatives, step: number))
        var gumbel = RandomStream(seed: seed, purpose: .gumbelNoise, step: number)
        let plan = SubBatchPlan(
            utterances: 0..<samples.count, mask: mask, negatives: negatives,
            noise: .drawn(try Generator(seed: gumbel.seed(), device: device)))
        let pass = ForwardPass.training(seed: seed, update: number)
        let losses = try model(
            audio, lengths: samples, plans: [plan],
            temperature: TemperatureSchedule(configuration.latentTemp).temperature(update: number), pass)[0]
        maskedFrames = losses.sampleSize
        try update(losses.total, sampleSize: losses.sampleSize, unused: model.model.droppedParameters(pass))
    }
}

/// A fine-tuning update as the recipe for 100 hours has it, without the first updates that train the head alone.
final class FinetuningBenchmark: BenchmarkTask {
    let samples: [Int]
    private(set) var maskedFrames: Int?
    private let model: CTCModel
    private let update: Update
    private let audio: Tensor
    private let frames: [Int]
    private let targets: [[Int]]
    private let masking: MaskingConfiguration

    /// The letters, the word boundary, the apostrophe and four specials.
    static let labels = 32
    /// What English speakers say in a second.
    private static let lettersPerSecond = 14.0

    init(_ configuration: ModelConfiguration, samples: [Int], device: Device) throws {
        var configuration = configuration
        configuration.dropout = 0
        configuration.attentionDropout = 0
        configuration.activationDropout = 0.1
        configuration.dropoutInput = 0
        configuration.encoderLayerdrop = 0.1
        configuration.featureGradMult = 0
        var masking = MaskingConfiguration()
        masking.channel = SpanMasking(probability: 0.5, length: 64)
        self.masking = masking
        self.samples = samples
        frames = samples.map(configuration.convFeatureLayers.frames(samples:))
        var letters = RandomStream(seed: seed, purpose: .synthesis)
        targets = zip(samples, frames).map { samples, frames in
            let count = max(1, min(frames / 2, Int(Double(samples) / 16_000 * Self.lettersPerSecond)))
            return (0..<count).map { _ in 4 + letters.integer(below: Self.labels - 4) }
        }
        model = try CTCModel(configuration, labels: Self.labels, initializer: .random(seed: Int64(seed)))
        try move(model, to: device)
        update = try Update(model, clipNorm: 0)
        audio = try noise(samples, device)
    }

    var operations: Double {
        let configuration = model.model.configuration
        return OperationCount(configuration, samples: samples, head: .ctc(labels: Self.labels))
            .training(trainsExtractor: false, layerDrop: configuration.encoderLayerdrop)
    }

    func step(_ number: Int) throws {
        let mask = try Mask.draw(
            masking, lengths: frames, channels: model.model.configuration.encoderEmbedDim, seed: seed,
            update: number, subBatch: 0)
        maskedFrames = mask.frames.reduce(0) { $0 + $1.count }
        let (logits, layout) = try model(
            audio, lengths: samples, mask: mask, .training(seed: seed, update: number))
        let losses = try model.losses(logits, layout, targets: targets)
        try update(Tensor.stack(losses).sum(), sampleSize: targets.reduce(0) { $0 + $1.count })
    }
}

/// A forward pass to log-probabilities.
final class InferenceBenchmark: BenchmarkTask {
    let samples: [Int]
    let maskedFrames: Int? = nil
    let operations: Double
    private let model: CTCModel
    private let audio: Tensor

    init(_ configuration: ModelConfiguration, samples: [Int], device: Device) throws {
        self.samples = samples
        model = try CTCModel(
            configuration, labels: FinetuningBenchmark.labels, initializer: .random(seed: Int64(seed)))
        try move(model, to: device)
        audio = try noise(samples, device)
        operations =
            OperationCount(configuration, samples: samples, head: .ctc(labels: FinetuningBenchmark.labels)).inference
    }

    func step(_ number: Int) throws {
        try withoutGradient {
            let scores = try model(audio, lengths: samples).logits.logSoftmax(-1)
            _ = try scores.rows(0..<1).sum().item()
        }
    }
}
