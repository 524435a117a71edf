import Corpus
import Interchange
import Objectives
import Randomness
import Torch
import Wav2Vec2

/// Learning representations from recordings alone, by the contrastive objective.
final class PretrainingTask: TrainingTask {
    let description: ModelDescription
    let groups: [ParameterGroup]
    let dictionary: LabelDictionary? = nil
    let metrics = ContrastiveMetrics.all
    let metric = "loss"
    var module: any ConvertibleModel { model }
    var recordsSteps: Bool { recorded != nil }

    private let model: PretrainingModel
    private let recipe: Recipe
    private let device: Device
    private let temperature: TemperatureSchedule
    private let recorded: RecordedPretraining?

    /// Builds the model: from a checkpoint's weights if there are any, else from random ones.
    init(_ recipe: Recipe, weights: Checkpoint?, device: Device, shardedOver group: ProcessGroup? = nil) throws {
        self.recipe = recipe
        self.device = device
        var description = ModelDescription(task: .pretraining, model: recipe.model)
        description.masking = recipe.masking
        description.objective = recipe.objective
        description.normalize = recipe.data.normalize
        description.normalizeEpsilon = recipe.data.normalizeEpsilon
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
        recorded =
            recipe.optimization.recordSteps ? RecordedPretraining(model, on: device) { try $0.statistics() } : nil
        groups = [try ParameterGroup("model", learning, recipe.optimization, shardedOver: group)]
    }

    /// Those of three frames: two masked ones, that each has a distractor, beside one that is not.
    var leastSamples: Int { recipe.model.convFeatureLayers.samples(frames: 3) }

    /// A sentence about utterances that are too short for their masked spans; `nil` if all are long enough.
    ///
    /// - Parameters:
    ///   - manifest: The utterances.
    ///   - isLearnedFrom: Whether some of them have to be long enough.
    /// - Returns: The sentence.
    /// - Throws: ``/Wav2Vec2/ConfigurationError`` if none is.
    func tooShortForMasks(_ manifest: Manifest, isLearnedFrom: Bool) throws -> String? {
        let masking = recipe.masking.time
        let found = recipe.utterancesTooShortForMasks(
            manifest, leastSamples: leastSamples, consequence: "and are masked less", isTooShort: masking.overfills)
        guard let found, found.areAll, isLearnedFrom else { return found?.sentence }
        throw ConfigurationError(
            "\(manifest.name): every utterance is too short for its masked spans: lower masking.mask_length, which is "
                + "\(masking.length) frames, or masking.mask_min_masks, which is \(masking.minMasks), or learn from longer "
                + "recordings")
    }

    func parametersWithoutGradient(update: Int) -> Set<String> {
        model.model.droppedParameters(.training(seed: recipe.seed, update: update))
    }

    func prepare(_ batch: MicroBatch, update: Int, microBatch: Int) throws -> PreparedBatch {
        let input = try input(
            batch, update: update, firstSubBatch: microBatch * recipe.batching.numConcatBatches, trains: true)
        return PreparedBatch(batch: batch) { [self] lossScale in
            let numbers = try addGradients(input, update: update, microBatch: microBatch, lossScale: lossScale)
            return { [self] in
                var sums = try statistics(numbers, batch, input)
                sums.operations = operations(batch, masked: sums.maskedFrames, of: sums.frames)
                sums.metrics.add(ContrastiveMetrics.temperature, temperature.temperature(update: update))
                return sums
            }
        }
    }

    private func addGradients(
        _ input: PretrainingBatch, update: Int, microBatch: Int, lossScale: Double
    ) throws -> Tensor {
        guard let recorded else {
            return try model.addGradients(
                input, .training(seed: recipe.seed, update: update, microBatch: microBatch),
                scaledBy: .scalar(lossScale, device: device)
            ) { try $0.statistics() }
        }
        do {
            return try recorded.addGradients(
                input, seed: recipe.seed, update: update, microBatch: microBatch, lossScale: lossScale)
        } catch TorchError.recording(let message) {
            throw ConfigurationError("optimization.record_steps: \(message); turn it off")
        }
    }

    /// Operations of a micro-batch, its masked frames spread evenly over it.
    private func operations(_ batch: MicroBatch, masked: Int, of frames: Int) -> Double {
        let share = Double(masked) / Double(max(1, frames))
        let counts = batch.lengths.map { Int(Double(recipe.model.convFeatureLayers.frames(samples: $0)) * share) }
        return model.operations(samples: batch.lengths, masked: counts).training(
            trainsExtractor: recipe.model.featureGradMult > 0, layerDrop: recipe.model.encoderLayerdrop)
    }

    private func input(
        _ batch: MicroBatch, update: Int, firstSubBatch: Int, trains: Bool
    ) throws -> PretrainingBatch {
        let frames = batch.lengths.map { recipe.model.convFeatureLayers.frames(samples: $0) }
        let plans = try batch.subBatches.enumerated().map { index, utterances in
            try plan(
                utterances, frames: Array(frames[utterances]), update: update, subBatch: firstSubBatch + index,
                trains: trains)
        }
        return try PretrainingBatch(
            Tensor(batch.samples).to(device: device), lengths: batch.lengths, plans: plans,
            temperature: temperature.temperature(update: max(1, update)), for: model)
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

    /// The sums over sub-batches of the terms in `numbers`: see ``/Wav2Vec2/PretrainingLosses/statistics()``.
    private func statistics(_ numbers: Tensor, _ batch: MicroBatch, _ input: PretrainingBatch) throws -> Statistics {
        var sums = Statistics()
        sums.samples = batch.samples.count
        sums.frames = input.layout.total
        let numbers = try numbers.elements(Double.self)
        for (index, sampleSize) in input.sampleSizes.enumerated() {
            func number(_ term: PretrainingLosses.Term) -> Double {
                numbers[term.rawValue * input.sampleSizes.count + index]
            }
            let size = Double(sampleSize)
            sums.sampleSize += sampleSize
            sums.maskedFrames += sampleSize
            sums.loss += number(.total)
            sums.metrics.add(ContrastiveMetrics.contrastive, number(.contrastive), weight: size)
            sums.metrics.add(ContrastiveMetrics.diversity, number(.diversity), weight: size)
            sums.metrics.add(ContrastiveMetrics.penalty, number(.penalty), weight: size)
            sums.metrics.add(ContrastiveMetrics.accuracy, number(.correct), weight: size)
            sums.metrics.add(ContrastiveMetrics.codePerplexity, number(.codePerplexity) * size, weight: size)
            sums.metrics.add(ContrastiveMetrics.probPerplexity, number(.probabilityPerplexity) * size, weight: size)
        }
        return sums
    }

    func validationPlan(_ manifest: Manifest) throws -> BatchPlan {
        var options = recipe.batchOptions(
            receptiveField: recipe.model.convFeatureLayers.receptiveField, leastSamples: leastSamples)
        options.maxTokens = recipe.batching.maxTokensValid ?? options.maxTokens
        options.batchSize = recipe.batching.batchSizeValid ?? options.batchSize
        options.cropGroup = 1
        return try BatchPlan(manifest, options: options, seed: recipe.seed, epoch: 0)
    }

    func tally(_ manifest: Manifest, share: ProcessShare) throws -> ValidationTally {
        let plan = try validationPlan(manifest)
        let loader = try BatchLoader(
            manifest: manifest, plan: plan, positions: share.positions(of: plan.count),
            normalize: recipe.data.normalize, epsilon: recipe.data.normalizeEpsilon, prefetch: recipe.data.prefetch,
            workers: recipe.data.workers)
        var result = ValidationTally()
        try withoutGradient {
            while let part = try loader.next() {
                let batch = MicroBatch([part])
                // Training counts updates from 1: number 0 is validation's, always the same.
                let input = try input(batch, update: 0, firstSubBatch: part.position, trains: false)
                let losses = try model(input, .inference)
                result.statistics += try statistics(losses.statistics(), batch, input)
                result.utterances += part.lengths.count
                if let quantized = losses.quantized {
                    result.statistics.metrics.add(ContrastiveMetrics.codesUsed, bins: try quantized.codeCounts())
                }
            }
        }
        return result
    }
}

extension Quantized {
    /// How often each entry of each code book was chosen.
    fileprivate func codeCounts() throws -> [[Int]] {
        let groups = codes.size(1)
        var counts = [[Int]](repeating: [Int](repeating: 0, count: entryCount / groups), count: groups)
        for (index, code) in try codes.elements(Int64.self).enumerated() { counts[index % groups][Int(code)] += 1 }
        return counts
    }
}

/// Where a model's random weights come from.
func initializationSeed(_ recipe: Recipe) -> Int64 {
    var stream = RandomStream(seed: recipe.seed, purpose: .initialization)
    return stream.seed()
}
