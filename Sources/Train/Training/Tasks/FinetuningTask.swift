import W2VBackbone
import W2VCorpus
import W2VDecoding
import W2VInterchange
import W2VObjectives
import W2VTorch

/// Fine-tuning for speech recognition from recordings and their transcripts, with the CTC loss.
final class FinetuningTask: TrainingTask {
    let description: ModelDescription
    let groups: [ParameterGroup]
    let dictionary: LabelDictionary?
    var metrics: [Metric] { model.metrics }
    let metric = CTCMetrics.wordErrors.name
    var module: any ConvertibleModel { model }
    let recordsSteps = false
    var recordingCounts: RecordingCounts? { nil }

    private let model: CTCModel
    private let labels: LabelDictionary
    private let recipe: Recipe
    private let device: Device
    private let memory: ActivationMemory

    /// The source of the weights.
    enum Weights {
        /// Random initialization.
        case random
        /// The part that a model of another task shares; the output layer is new.
        case shared(Checkpoint)
        /// A recognizer's shared part, and the rows of its output layer for the dictionary's symbols.
        case recognizer(Checkpoint, OutputLayer)
        /// This task's own checkpoint.
        case all(Checkpoint)
    }

    init(
        _ recipe: Recipe, dictionary: LabelDictionary, weights: Weights, device: Device,
        shardedOver group: ProcessGroup? = nil
    ) throws {
        self.recipe = recipe
        self.device = device
        memory = ActivationMemory(on: device, isWanted: recipe.optimization.keepActivations, recordsSteps: false)
        self.dictionary = dictionary
        labels = dictionary
        var description = ModelDescription(task: .ctc, model: recipe.model)
        description.masking = recipe.masking
        description.objective = recipe.objective
        description.ctc = recipe.ctc
        description.normalize = recipe.data.normalize
        description.normalizeEpsilon = recipe.data.normalizeEpsilon
        description.labels = dictionary.symbols
        self.description = description
        let model = try CTCModel(
            recipe.model, labels: dictionary.count, options: recipe.ctc,
            maskChannelBefore: recipe.masking.maskChannelBefore, others: recipe.objectives.make,
            initializer: .random(seed: initializationSeed(recipe)))
        self.model = model
        switch weights {
        case .random: break
        case .shared(let checkpoint): try model.backbone.load(checkpoint.sharedState())
        case .recognizer(let checkpoint, let layer):
            try model.backbone.load(checkpoint.sharedState())
            try withoutGradient {
                for parameter in model.main.parameters() {
                    guard let own = checkpoint.state["\(CTCObjective.ownKey).\(parameter.name)"] else { continue }
                    try parameter.tensor.copy(from: layer.combine(own, parameter.tensor))
                }
            }
        case .all(let checkpoint):
            try model.load(checkpoint.ctcModel().state(), added: checkpoint.objectiveState)
        }
        try model.move(to: device)
        let frozen = recipe.model.featureGradMult > 0 ? [] : model.extractorNames
        let backbone = model.backboneNames
        let (encoder, output) = model.parameters().filter { !frozen.contains($0.name) }
            .separated { backbone.contains($0.name) }
        groups = [
            try ParameterGroup("output", output, recipe.optimization, shardedOver: group),
            try ParameterGroup(
                "encoder", encoder, recipe.optimization, firstUpdate: recipe.ctc.freezeFinetuneUpdates + 1,
                shardedOver: group),
        ]
    }

    var leastSamples: Int { recipe.model.convFeatureLayers.receptiveField }

    /// Returns a warning about utterances that are too short for their masked spans; `nil` if all are long enough.
    func tooShortForMasks(_ manifest: Manifest) -> String? {
        recipe.utterancesTooShortForMasks(
            manifest, leastSamples: leastSamples, consequence: "and their frames are not masked",
            isTooShort: { !canMask(frames: $0) }
        )?.sentence
    }

    func parametersWithoutGradient(update: Int) -> Set<String> {
        let frozen = groups.filter { update < $0.firstUpdate }.flatMap(\.parameters.names)
        return Set(frozen).union(model.droppedParameters(.training(seed: recipe.seed, update: update)))
    }

    func prepare(
        _ batch: MicroBatch, update: Int, microBatch: Int, through upload: Upload
    ) throws -> any PreparedMicroBatch {
        let layout = try model.backbone.featureExtractor.layout(samples: batch.lengths)
        let first = microBatch * recipe.batching.numConcatBatches
        // Frames of an utterance that is too short for its spans stay unmasked, since short words are worth
        // transcribing; its channels are masked.
        let masks = try batch.drawMasks(
            recipe, recipe.effectiveMasking, layout, sparing: { !canMask(frames: $0) }, update: update,
            firstSubBatch: first)
        let source = DrawSource(seed: recipe.seed, update: update, firstSegment: first, trains: true)
        let input = try input(batch, layout, masks: masks, from: source, through: upload)
        var counts = counts(batch, input)
        counts.metrics = model.scheduledMetrics(update: update)
        return PreparedBatch(
            batch: batch, input: input, model: model, seed: recipe.seed, update: update, microBatch: microBatch,
            freezesBackbone: update <= recipe.ctc.freezeFinetuneUpdates, counts: counts,
            kept: { try self.memory.kept(self.model.backbone, samples: batch.lengths) },
            operations: { self.operations(batch, Mask.joined(masks), update: update) })
    }

    /// Makes the model's input: a batch with the objectives' random draws.
    private func input(
        _ batch: MicroBatch, _ layout: RaggedLayout, masks: [Mask], from source: DrawSource, through upload: Upload
    ) throws -> ObjectiveBatch<CTCObjective> {
        try ObjectiveBatch(
            batch.samples(through: upload),
            UtteranceBatch(
                lengths: batch.lengths, layout: layout, segments: batch.subBatches, masks: masks,
                labels: batch.labels, through: upload),
            from: source, for: model)
    }

    /// Returns the sums of a batch that are known before the loss.
    private func counts(_ batch: MicroBatch, _ input: ObjectiveBatch<CTCObjective>) -> Statistics {
        var sums = Statistics()
        sums.sampleSize = CTCObjective.lossUnits(input.utterances).reduce(0, +)
        sums.samples = batch.sampleCount
        sums.frames = input.utterances.layout.total
        sums.maskedFrames = input.utterances.maskedFrames.reduce(0, +)
        return sums
    }

    /// Returns whether a span fits beside the others' first frames.
    private func canMask(frames: Int) -> Bool {
        let masking = recipe.masking.time
        let spans = max(
            Double(masking.minMasks), masking.probability * Double(frames) / Double(masking.length) + 1)
        return Double(frames - masking.length) > spans
    }

    /// Counts the operations of a micro-batch; while the encoder is frozen, it only runs forward.
    private func operations(_ batch: MicroBatch, _ mask: Mask, update: Int) -> Double {
        let count = model.operations(samples: batch.lengths, masked: mask.frames)
        guard update > recipe.ctc.freezeFinetuneUpdates else { return count.inference }
        return count.training(
            trainsExtractor: recipe.model.featureGradMult > 0, layerDrop: recipe.model.encoderLayerdrop)
    }

    func validationPlan(_ manifest: Manifest) throws -> BatchPlan {
        // The longest utterance is measured, whatever its length.
        let tokens = max(recipe.batching.maxTokensValid ?? recipe.batching.maxTokens, manifest.sampleCounts.max() ?? 1)
        return try BatchPlan.sequential(
            manifest,
            options: BatchOptions(
                maxTokens: tokens, minSampleSize: recipe.model.convFeatureLayers.receptiveField,
                requiredBatchSizeMultiple: 1, batchSize: recipe.batching.batchSizeValid ?? recipe.batching.batchSize,
                skipInvalid: recipe.batching.skipInvalidSizeInputs))
    }

    func tally(_ manifest: Manifest, share: ProcessShare) throws -> ValidationTally {
        let plan = try validationPlan(manifest)
        let loader = try BatchLoader(
            manifest: manifest, plan: plan, positions: share.positions(of: plan.count), dictionary: labels,
            normalize: recipe.data.normalize, epsilon: recipe.data.normalizeEpsilon, prefetch: recipe.data.prefetch,
            workers: recipe.data.workers)
        let decoder = GreedyDecoder(blank: LabelDictionary.blank)
        var result = ValidationTally()
        var errors = CTCErrors(labels)
        try withoutGradient {
            while let part = try loader.next() {
                let batch = MicroBatch([part])
                let layout = try model.backbone.featureExtractor.layout(samples: batch.lengths)
                let unmasked = batch.subBatches.map { Mask(frames: $0.map { _ in [] }) }
                let source = DrawSource(
                    seed: recipe.seed, update: 0, firstSegment: part.position, trains: false)
                let input = try input(batch, layout, masks: unmasked, from: source, through: Upload(to: device))
                let encoding = try model.encode(input, .inference)
                let logits = try model.main.logits(encoding.context(), .inference)
                var sums = counts(batch, input)
                (sums.loss, sums.metrics) = try model.terms(encoding, input, .inference).sums()
                result.statistics += sums
                result.utterances += part.lengths.count
                let scores = try logits.elements(Float.self)
                for (utterance, target) in batch.labels.enumerated() {
                    let rows = layout.rows(utterance)
                    let range = rows.lowerBound * labels.count..<rows.upperBound * labels.count
                    let spans = try decoder.decode(Array(scores[range]), labels: labels.count)
                    errors.add(reference: target, hypothesis: spans.map(\.label))
                    let index = part.utteranceIndices[utterance]
                    // The first of the manifest, whatever the order of batches is: the same ones every time.
                    guard index < ValidationTally.mostExamples else { continue }
                    result.examples.append(
                        TextExample(
                            index: index, name: "\(index + 1)", reference: labels.text(of: target),
                            hypothesis: labels.text(of: spans.map(\.label))))
                }
            }
        }
        // Utterances that are too short for a frame: nothing is recognized in them, and they count.
        for excluded in share.positions(of: plan.excluded.count).map({ plan.excluded[$0] }) {
            result.utterances += 1
            errors.add(reference: try labels.encode(manifest, at: excluded.utterance), hypothesis: [])
        }
        result.statistics.metrics += errors.metrics
        result.examples.sort { $0.index < $1.index }
        return result
    }

    /// Returns a warning about utterances whose labels do not fit their frames; `nil` if all do.
    ///
    /// CTC needs a frame for each label, and one more between two equal labels.
    func labelsThatDoNotFit(_ manifest: Manifest) throws -> String? {
        var examples: [String] = []
        var count = 0
        for index in 0..<manifest.count {
            let target = try labels.encode(manifest, at: index)
            let needed = target.count + zip(target, target.dropFirst()).count { $0 == $1 }
            let frames = recipe.model.convFeatureLayers.frames(samples: manifest.sampleCounts[index])
            guard needed > frames else { continue }
            count += 1
            if examples.count < 10 {
                examples.append("\(manifest.identifier(index)) (\(frames) frames, \(needed) needed)")
            }
        }
        guard count > 0 else { return nil }
        let more = count > examples.count ? ", and \(count - examples.count) more" : ""
        return "\(manifest.name): \(count) of \(manifest.count) utterances have more labels than fit their frames: "
            + examples.joined(separator: "; ") + more
    }
}

extension Array {
    /// Separates the elements that fulfill a condition from the others.
    fileprivate func separated(_ isFirst: (Element) -> Bool) -> (first: [Element], others: [Element]) {
        (filter(isFirst), filter { !isFirst($0) })
    }
}
