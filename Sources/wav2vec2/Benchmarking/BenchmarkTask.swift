import Interchange
import Randomness
import Torch
import Wav2Vec2

/// A model at work, one step at a time.
protocol BenchmarkTask {
    /// Makes the step of this number, and returns when the device has done it.
    func step(_ number: Int) throws -> StepCounts
}

/// What a step did.
struct StepCounts {
    var samples: Int
    var frames: Int
    /// nil where nothing is masked.
    var maskedFrames: Int?
    /// Floating-point operations, counted analytically.
    var operations: Double
}

extension Stage {
    /// Waiting for a batch, and its way to the device.
    static let dataWait = Stage("data wait")
    /// Drawing what a step masks and which distractors it has.
    static let draws = Stage("masks and negatives")
    /// Norm and clipping of gradients, and Adam.
    static let optimizer = Stage("optimizer")
}

private let seed: UInt64 = 1

/// Moves a model's parameters.
func move(_ model: Module, to device: Device) throws {
    guard device != .cpu else { return }
    for parameter in model.parameters() { parameter.tensor = try parameter.tensor.to(device: device) }
}

/// Backward pass, clipping and Adam over one flat buffer; in half precision, as training does it, over FP32 weights.
private final class Update {
    let parameters: FlatParameters
    let optimizer: Adam
    let clipNorm: Double
    let sums: GradientSums?
    /// What the loss is multiplied by: FP16 would lose small gradients.
    let lossScale: Double

    init(
        _ model: any ConvertibleModel, clipNorm: Double, precision: ModelPrecision, sums: SumOptions? = nil
    ) throws {
        let all = model.parameters()
        let parameters = try FlatParameters(all, shardedOver: sums?.shards(on: all.first?.tensor.device ?? .cpu))
        self.parameters = parameters
        optimizer = try Adam(parameters, .init())
        lossScale = precision.mode == .fp16 ? 128 : 1
        try model.convert(for: .training, on: parameters.values.device, precision: precision)
        if precision.mode.isHalf { try parameters.lower(to: precision.mode.dtype, except: precision.keepsExact) }
        self.clipNorm = clipNorm
        self.sums = try sums.map { try GradientSums(parameters, $0) }
    }

    func callAsFunction(_ loss: Tensor, sampleSize: Int, unused: Set<String> = []) throws {
        sums?.noteForwardEnd()
        try sums?.begin(loss, unused: unused)
        try loss.backward(gradient: .scalar(lossScale, device: loss.device))
        try apply(sampleSize: sampleSize)
    }

    /// The update, once gradients are there.
    func apply(sampleSize: Int) throws {
        try sums?.finish()
        try profiled(.optimizer) {
            try parameters.collectGradients()
            let divisor = Double(sampleSize) * lossScale
            let norm = try gradientNorm([parameters]) / divisor
            let clip = clipNorm > 0 ? min(1, clipNorm / (norm + 1e-6)) : 1
            try optimizer.step(learningRate: 1e-5, gradientScale: clip / divisor)
            try parameters.clearGradients()
            // Reading a number waits for the device.
            _ = try parameters.values.rows(0..<1).item()
        }
        sums?.noteOptimizerEnd()
        if sums?.mode != .never { try parameters.publish() }
        sums?.noteEnd()
    }
}

/// A pre-training update as the BASE recipe has it: all dropouts, masks and negatives drawn anew.
///
/// Every layer runs, where the recipe skips one in twenty by chance: steps are to be alike, one program's and another's.
final class PretrainingBenchmark: BenchmarkTask {
    private let model: PretrainingModel
    private let update: Update
    private let audio: BenchmarkAudio
    private let device: Device
    private let masking: MaskingConfiguration
    private let recorded: RecordedPretraining?

    /// Prepares a model.
    ///
    /// - Parameters:
    ///   - subject: The model.
    ///   - audio: What it hears.
    ///   - device: Where the model runs.
    ///   - precision: In which numbers it computes.
    ///   - records: Whether passes are recorded, as with `optimization.record_steps`; masks then count multiples of 16 frames.
    ///   - sums: How gradients are summed over processes; `nil` for a process on its own that notes no times.
    /// - Throws: `CheckpointError` for a checkpoint of another task; `TorchError` if LibTorch cannot make the model.
    init(
        _ subject: BenchmarkedModel, audio: BenchmarkAudio, device: Device,
        precision: ModelPrecision = ModelPrecision(), records: Bool = false, sums: SumOptions? = nil
    ) throws {
        self.audio = audio
        self.device = device
        model = try subject.pretrainingModel(seed: Int64(seed))
        try move(model, to: device)
        update = try Update(model, clipNorm: 25, precision: precision, sums: sums)
        var masking = subject.masking
        masking.time.countMultiple = records ? 16 : 1
        self.masking = masking
        recorded =
            records ? RecordedPretraining(model, on: device) { $0.total } : nil
    }

    /// The sums over processes and the times of the last step, where asked for.
    var sums: GradientSums? { update.sums }

    func step(_ number: Int) throws -> StepCounts {
        update.sums?.noteStart()
        let configuration = model.model.configuration
        let batch = try audio.next()
        let frames = batch.samples.map(configuration.convFeatureLayers.frames(samples:))
        let (input, masked) = try profiled(.draws) {
            let plan = try self.plan(number, frames)
            let input = try PretrainingBatch(
                batch.audio, lengths: batch.samples, plans: [plan],
                temperature: TemperatureSchedule(configuration.latentTemp).temperature(update: number), for: model)
            return (input, plan.mask.frames.map(\.count))
        }
        let sampleSize = input.sampleSizes[0]
        if let recorded {
            _ = try recorded.addGradients(
                input, seed: seed, update: number, microBatch: 0, lossScale: update.lossScale)
            try update.apply(sampleSize: sampleSize)
        } else {
            let pass = ForwardPass.training(seed: seed, update: number)
            try update(
                model(input, pass).total, sampleSize: sampleSize, unused: model.model.droppedParameters(pass))
        }
        let operations = model.operations(samples: batch.samples, masked: masked)
            .training(trainsExtractor: true, layerDrop: configuration.encoderLayerdrop)
        return StepCounts(
            samples: batch.samples.reduce(0, +), frames: frames.reduce(0, +), maskedFrames: sampleSize,
            operations: operations)
    }

    private func plan(_ number: Int, _ frames: [Int]) throws -> SubBatchPlan {
        let configuration = model.model.configuration
        let mask = try Mask.draw(
            masking, lengths: frames, channels: configuration.encoderEmbedDim, seed: seed,
            update: number, subBatch: 0)
        let counts = mask.frames.map(\.count)
        let negatives = Negatives.draw(
            model.objective, masked: counts.map { Array(0..<$0) }, candidates: counts,
            entries: (configuration.latentVars, configuration.latentGroups),
            stream: RandomStream(seed: seed, purpose: .negatives, step: number))
        var gumbel = RandomStream(seed: seed, purpose: .gumbelNoise, step: number)
        return SubBatchPlan(
            utterances: 0..<frames.count, mask: mask, negatives: negatives,
            noise: .drawn(try Generator(seed: gumbel.seed(), device: device)))
    }
}

/// A fine-tuning update as the recipe for 100 hours has it, without the first updates that train the head alone, and with
/// every layer.
final class FinetuningBenchmark: BenchmarkTask {
    private let model: CTCModel
    private let update: Update
    private let audio: BenchmarkAudio
    private let masking: MaskingConfiguration

    /// The letters, the word boundary, the apostrophe and four specials.
    static let labels = 32
    /// Labels that stand for nothing that is said.
    private static let specials = 4
    /// What English speakers say in a second.
    private static let lettersPerSecond = 14.0

    init(_ subject: BenchmarkedModel, audio: BenchmarkAudio, device: Device, precision: ModelPrecision) throws {
        var masking = subject.masking
        masking.channel = SpanMasking(
            probability: 0.5, length: min(64, max(1, subject.configuration.encoderEmbedDim / 8)))
        self.masking = masking
        self.audio = audio
        model = try subject.finetuningModel(labels: Self.labels, seed: Int64(seed))
        try move(model, to: device)
        update = try Update(model, clipNorm: 0, precision: precision)
    }

    func step(_ number: Int) throws -> StepCounts {
        let configuration = model.model.configuration
        let batch = try audio.next()
        let frames = batch.samples.map(configuration.convFeatureLayers.frames(samples:))
        let (mask, targets) = try profiled(.draws) {
            (
                try Mask.draw(
                    masking, lengths: frames, channels: configuration.encoderEmbedDim, seed: seed, update: number,
                    subBatch: 0),
                Self.targets(batch.samples, frames, labels: model.labelCount)
            )
        }
        let (logits, layout) = try model(
            batch.audio, lengths: batch.samples, mask: mask, .training(seed: seed, update: number))
        let losses = try model.losses(logits, layout, targets: targets)
        try update(
            profiled(.ctc) { try losses.sum() }, sampleSize: targets.reduce(0) { $0 + $1.count })
        return StepCounts(
            samples: batch.samples.reduce(0, +), frames: layout.total,
            maskedFrames: mask.frames.reduce(0) { $0 + $1.count },
            operations: model.operations(samples: batch.samples, masked: mask.frames)
                .training(trainsExtractor: false, layerDrop: configuration.encoderLayerdrop))
    }

    /// Letters as many as people say in that time.
    private static func targets(_ samples: [Int], _ frames: [Int], labels: Int) -> [[Int]] {
        let first = min(specials, labels - 1)
        var letters = RandomStream(seed: seed, purpose: .synthesis)
        return zip(samples, frames).map { samples, frames in
            let count = max(1, min(frames / 2, Int(Double(samples) / 16_000 * lettersPerSecond)))
            return (0..<count).map { _ in first + letters.integer(below: labels - first) }
        }
    }
}

/// A forward pass to log-probabilities.
final class InferenceBenchmark: BenchmarkTask {
    private let model: CTCModel
    private let inference: CTCInference
    private let audio: BenchmarkAudio
    private let oneByOne: Bool

    /// Puts a model to work.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - audio: What it hears.
    ///   - oneByOne: Whether each utterance goes through the model by itself.
    init(_ model: CTCModel, audio: BenchmarkAudio, oneByOne: Bool) {
        self.model = model
        self.audio = audio
        self.oneByOne = oneByOne
        inference = CTCInference(model, on: audio.device)
    }

    func step(_ number: Int) throws -> StepCounts {
        let batch = try audio.next()
        let places = RaggedLayout(batch.samples)
        var frames = 0
        try withoutGradient {
            for pass in oneByOne ? (0..<places.count).map({ $0..<$0 + 1 }) : [0..<places.count] {
                let rows = places.offsets[pass.lowerBound]..<places.offsets[pass.upperBound]
                let (scores, layout) = try inference(batch.audio.rows(rows), lengths: Array(batch.samples[pass]))
                try profiled(.ctc) { _ = try scores.rows(0..<1).sum().item() }
                frames += layout.total
            }
        }
        return StepCounts(
            samples: batch.samples.reduce(0, +), frames: frames, maskedFrames: nil,
            operations: model.operations(samples: batch.samples).inference)
    }
}
