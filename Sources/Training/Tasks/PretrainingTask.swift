import Corpus
import Interchange
import Randomness
import Torch
import Wav2Vec2

/// Learning representations from recordings alone, by the contrastive objective.
final class PretrainingTask: TrainingTask {
    let description: ModelDescription
    let groups: [ParameterGroup]
    let dictionary: LabelDictionary? = nil
    let metric = "loss"
    var module: any PrecisionSelectable { model }

    private let model: PretrainingModel
    private let recipe: Recipe
    private let device: Device
    private let temperature: TemperatureSchedule

    /// Builds the model: from a checkpoint's weights if there are any, else from random ones.
    init(_ recipe: Recipe, weights: Checkpoint?, device: Device, shardedOver group: ProcessGroup? = nil) throws {
        self.recipe = recipe
        self.device = device
        var description = ModelDescription(task: .pretraining, model: recipe.model)
        description.masking = recipe.masking
        description.objective = recipe.objective
        description.normalize = recipe.data.normalize
        self.description = description
        temperature = TemperatureSchedule(recipe.model.latentTemp)
        model = try PretrainingModel(
            recipe.model, objective: recipe.objective, maskChannelBefore: recipe.masking.maskChannelBefore,
            initializer: .random(seed: initializationSeed(recipe)))
        if let weights { try model.load(weights.pretrainingModel().state()) }
        try model.move(to: device)
        // A frozen extractor must not shrink by weight decay either.
        let learning = model.parameters().filter {
            recipe.model.featureGradMult > 0 || !$0.name.hasPrefix("feature_extractor.")
        }
        groups = [try ParameterGroup("model", learning, recipe.optimization, shardedOver: group)]
    }

    func parametersWithoutGradient(update: Int) -> Set<String> {
        model.model.droppedParameters(.training(seed: recipe.seed, update: update))
    }

    func prepare(_ batch: MicroBatch, update: Int, microBatch: Int) throws -> PreparedBatch {
        try prepare(
            batch, update: update, microBatch: microBatch,
            firstSubBatch: microBatch * recipe.batching.numConcatBatches, trains: true)
    }

    func accumulate(_ prepared: PreparedBatch, lossScale: Double) throws -> () throws -> Statistics {
        let (batch, frames) = (prepared.batch, prepared.frames.reduce(0, +))
        let pass = ForwardPass.training(
            seed: recipe.seed, update: prepared.update, microBatch: prepared.microBatch)
        let losses = try losses(prepared, pass)
        var total = losses[0].total
        for loss in losses.dropFirst() { total = try total + loss.total }
        try total.backward(scaledBy: lossScale)
        return { [self] in
            var sums = try statistics(losses, batch, frames: frames)
            sums.operations = operations(batch, masked: sums.maskedFrames, of: frames)
            return sums
        }
    }

    /// Operations of a micro-batch, its masked frames spread evenly over it.
    private func operations(_ batch: MicroBatch, masked: Int, of frames: Int) -> Double {
        let share = Double(masked) / Double(max(1, frames))
        let counts = batch.lengths.map { Int(Double(recipe.model.convFeatureLayers.frames(samples: $0)) * share) }
        return OperationCount(recipe.model, samples: batch.lengths, head: .pretraining(masked: counts)).training(
            trainsExtractor: recipe.model.featureGradMult > 0, layerDrop: recipe.model.encoderLayerdrop)
    }

    private func prepare(
        _ batch: MicroBatch, update: Int, microBatch: Int, firstSubBatch: Int, trains: Bool
    ) throws -> PreparedBatch {
        let frames = batch.lengths.map { recipe.model.convFeatureLayers.frames(samples: $0) }
        let plans = try batch.subBatches.enumerated().map { index, utterances in
            try plan(
                utterances, frames: Array(frames[utterances]), update: update, subBatch: firstSubBatch + index,
                trains: trains)
        }
        return PreparedBatch(
            batch: batch, update: update, microBatch: microBatch, samples: try Tensor(batch.samples).to(device: device),
            frames: frames, plans: plans)
    }

    private func losses(_ prepared: PreparedBatch, _ pass: ForwardPass) throws -> [PretrainingLosses] {
        try model(
            prepared.samples, lengths: prepared.batch.lengths, plans: prepared.plans,
            temperature: temperature.temperature(update: max(1, prepared.update)), pass)
    }

    /// The random choices of a sub-batch: a function of seed, update and the sub-batch's number alone.
    private func plan(
        _ utterances: Range<Int>, frames: [Int], update: Int, subBatch: Int, trains: Bool
    ) throws -> SubBatchPlan {
        let mask = try Mask.draw(
            recipe.effectiveMasking, lengths: frames, channels: recipe.model.encoderEmbedDim, seed: recipe.seed,
            update: update, subBatch: subBatch)
        let everywhere = recipe.objective.negativesFromEverywhere
        let negatives = Negatives.draw(
            recipe.objective, masked: everywhere ? mask.frames : mask.frames.map { Array($0.indices) },
            candidates: everywhere ? frames : mask.frames.map(\.count),
            entries: (recipe.model.latentVars, recipe.model.latentGroups),
            stream: RandomStream(seed: recipe.seed, purpose: .negatives, step: update, index: subBatch))
        guard trains else {
            return SubBatchPlan(utterances: utterances, mask: mask, negatives: negatives, noise: .none)
        }
        var stream = RandomStream(seed: recipe.seed, purpose: .gumbelNoise, step: update, index: subBatch)
        let noise = try Generator(seed: stream.seed(), device: device)
        let inputNoise = try Generator(seed: stream.seed(), device: device)
        return SubBatchPlan(
            utterances: utterances, mask: mask, negatives: negatives, noise: .drawn(noise),
            inputNoise: .drawn(inputNoise))
    }

    private func statistics(_ losses: [PretrainingLosses], _ batch: MicroBatch, frames: Int) throws -> Statistics {
        var sums = Statistics()
        sums.samples = batch.samples.count
        sums.frames = frames
        // One transfer for all numbers: each would wait for the device.
        let numbers = try Tensor.scalars(
            losses.flatMap { loss in
                [
                    loss.total, loss.contrastive.loss, loss.diversity, loss.penalty, loss.contrastive.correct,
                    loss.quantized?.codePerplexity, loss.quantized?.probabilityPerplexity,
                ]
            })
        for (index, loss) in losses.enumerated() {
            let own = Array(numbers[7 * index..<7 * (index + 1)])
            let size = Double(loss.sampleSize)
            sums.sampleSize += loss.sampleSize
            sums.maskedFrames += loss.sampleSize
            sums.loss += own[0]
            sums.contrastive += own[1]
            sums.diversity += own[2]
            sums.penalty += own[3]
            sums.correct += Int(own[4])
            sums.codePerplexity += own[5] * size
            sums.probPerplexity += own[6] * size
        }
        return sums
    }

    func validationPlan(_ manifest: Manifest) throws -> BatchPlan {
        var options = recipe.batchOptions(receptiveField: recipe.model.convFeatureLayers.receptiveField)
        options.maxTokens = recipe.batching.maxTokensValid ?? options.maxTokens
        options.batchSize = recipe.batching.batchSizeValid ?? options.batchSize
        options.cropGroup = 1
        return try BatchPlan(manifest, options: options, seed: recipe.seed, epoch: 0)
    }

    func tally(_ manifest: Manifest, share: ProcessShare) throws -> ValidationTally {
        let plan = try validationPlan(manifest)
        let loader = try BatchLoader(
            manifest: manifest, plan: plan, positions: share.positions(of: plan.count),
            normalize: recipe.data.normalize, prefetch: recipe.data.prefetch, workers: recipe.data.workers)
        var result = ValidationTally()
        try withoutGradient {
            while let part = try loader.next() {
                let batch = MicroBatch([part])
                // Training counts updates from 1: number 0 is validation's, always the same.
                let prepared = try prepare(
                    batch, update: 0, microBatch: 0, firstSubBatch: part.position, trains: false)
                let losses = try losses(prepared, .inference)
                result.statistics += try statistics(losses, batch, frames: prepared.frames.reduce(0, +))
                result.utterances += part.lengths.count
                for quantized in losses.compactMap(\.quantized) { try result.count(quantized) }
            }
        }
        return result
    }
}

/// Where a model's random weights come from.
func initializationSeed(_ recipe: Recipe) -> Int64 {
    var stream = RandomStream(seed: recipe.seed, purpose: .initialization)
    return stream.seed()
}
