import W2VBackbone
import W2VBase
import W2VCorpus
import W2VInterchange
import W2VObjectives
import W2VTorch

/// Pre-training of representations from recordings alone, with the contrastive objective.
final class PretrainingTask: TrainingTask {
    let description: ModelDescription
    let groups: [ParameterGroup]
    let dictionary: LabelDictionary? = nil
    var metrics: [Metric] { model.metrics }
    let metric = "loss"
    var module: any ConvertibleModel { model }
    var recordsSteps: Bool { recorded != nil }
    var recordingCounts: RecordingCounts? { recorded?.counts }

    private let model: PretrainingModel
    private let recipe: Recipe
    private let device: Device
    private let recorded: RecordedObjective<ContrastiveObjective>?
    private let memory: ActivationMemory

    /// Builds the model from a checkpoint's weights, if given, or with random weights.
    init(_ recipe: Recipe, weights: Checkpoint?, device: Device, shardedOver group: ProcessGroup? = nil) throws {
        self.recipe = recipe
        self.device = device
        memory = ActivationMemory(
            on: device, isWanted: recipe.optimization.keepActivations, recordsSteps: recipe.optimization.recordSteps)
        var description = ModelDescription(task: .pretraining, model: recipe.model)
        description.masking = recipe.masking
        description.objective = recipe.objective
        description.normalize = recipe.data.normalize
        description.normalizeEpsilon = recipe.data.normalizeEpsilon
        self.description = description
        model = try PretrainingModel(
            recipe.model, objective: recipe.objective, maskChannelBefore: recipe.masking.maskChannelBefore,
            others: recipe.objectives.make, initializer: .random(seed: initializationSeed(recipe)))
        if let weights {
            try model.load(weights.pretrainingModel().state(), added: weights.objectiveState)
        }
        try model.move(to: device)
        // A frozen extractor must not shrink by weight decay either.
        let frozen = recipe.model.featureGradMult > 0 ? [] : model.extractorNames
        let learning = model.parameters().filter { !frozen.contains($0.name) }
        recorded = recipe.optimization.recordSteps ? RecordedObjective(model, on: device) : nil
        groups = [try ParameterGroup("model", learning, recipe.optimization, shardedOver: group)]
    }

    /// The samples of three frames: two masked ones, so that each has a distractor, and one unmasked.
    var leastSamples: Int { recipe.model.convFeatureLayers.samples(frames: 3) }

    /// Returns a warning about utterances that are too short for their masked spans; `nil` if all are long enough.
    ///
    /// - Parameters:
    ///   - manifest: The utterances.
    ///   - isLearnedFrom: Whether some of them have to be long enough.
    /// - Throws: ``/W2VBackbone/ConfigurationError`` if none is.
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
        model.droppedParameters(.training(seed: recipe.seed, update: update))
    }

    func prepare(
        _ batch: MicroBatch, update: Int, microBatch: Int, through upload: Upload
    ) throws -> any PreparedMicroBatch {
        let input = try input(
            batch, update: update, firstSubBatch: microBatch * recipe.batching.numConcatBatches, trains: true,
            through: upload)
        var counts = counts(batch, input)
        counts.metrics = model.scheduledMetrics(update: update)
        return PreparedBatch(
            batch: batch, input: input, model: model, recorded: recorded, seed: recipe.seed, update: update,
            microBatch: microBatch, counts: counts,
            kept: { try self.memory.kept(self.model.backbone, samples: batch.lengths) },
            operations: { [counts] in self.operations(batch, masked: counts.maskedFrames, of: counts.frames) })
    }

    /// Counts the operations of a micro-batch, with its masked frames spread evenly over it.
    private func operations(_ batch: MicroBatch, masked: Int, of frames: Int) -> Double {
        let share = Double(masked) / Double(max(1, frames))
        let counts = batch.lengths.map { Int(Double(recipe.model.convFeatureLayers.frames(samples: $0)) * share) }
        return model.operations(samples: batch.lengths, masked: counts).training(
            trainsExtractor: recipe.model.featureGradMult > 0, layerDrop: recipe.model.encoderLayerdrop)
    }

    /// Makes the model's input: a batch with its mask and random draws, which are functions of seed, update and the
    /// sub-batches' numbers.
    private func input(
        _ batch: MicroBatch, update: Int, firstSubBatch: Int, trains: Bool, through upload: Upload
    ) throws -> PretrainingBatch {
        let layout = try model.backbone.featureExtractor.layout(samples: batch.lengths)
        let masks = try batch.drawMasks(
            recipe, trains ? recipe.effectiveMasking : recipe.heldOutMasking, layout, update: update,
            firstSubBatch: firstSubBatch)
        return try PretrainingBatch(
            batch.samples(through: upload),
            UtteranceBatch(
                lengths: batch.lengths, layout: layout, segments: batch.subBatches, masks: masks, through: upload),
            from: DrawSource(seed: recipe.seed, update: update, firstSegment: firstSubBatch, trains: trains),
            for: model)
    }

    /// Returns the sums of a batch that are known before the loss.
    private func counts(_ batch: MicroBatch, _ input: PretrainingBatch) -> Statistics {
        var sums = Statistics()
        sums.samples = batch.sampleCount
        sums.frames = input.utterances.layout.total
        sums.maskedFrames = input.utterances.maskedFrames.reduce(0, +)
        sums.sampleSize = ContrastiveObjective.lossUnits(input.utterances).reduce(0, +)
        return sums
    }

    func validationPlan(_ manifest: Manifest) throws -> BatchPlan {
        var options = recipe.batchOptions(
            receptiveField: recipe.model.convFeatureLayers.receptiveField, leastSamples: leastSamples)
        options.maxTokens = recipe.batching.maxTokensValid ?? options.maxTokens
        options.batchSize = recipe.batching.batchSizeValid ?? options.batchSize
        (options.cropGroup, options.cropGrid) = (1, nil)
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
                // Training counts updates from 1; validation always uses the draws of number 0.
                let input = try input(
                    batch, update: 0, firstSubBatch: part.position, trains: false, through: Upload(to: device))
                var sums = counts(batch, input)
                (sums.loss, sums.metrics) = try model(input, .inference).sums()
                result.statistics += sums
                result.utterances += part.lengths.count
            }
        }
        return result
    }
}

/// Returns the seed of a model's random weights.
func initializationSeed(_ recipe: Recipe) -> Int64 {
    var stream = RandomStream(seed: recipe.seed, purpose: .initialization)
    return stream.seed()
}
