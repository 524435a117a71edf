import W2VBackbone
import W2VCorpus
import W2VInterchange
import W2VTorch
import W2VTraining

/// Updates as in a run, with the same task and update step.
struct TrainingBenchmark: BenchmarkTask {
    fileprivate let updates: StandaloneUpdates

    var waitSeconds: Double { updates.waitSeconds }

    func step() throws -> StepCounts {
        let counts = try updates.next()
        return StepCounts(
            samples: counts.samples, frames: counts.frames, maskedFrames: counts.maskedFrames,
            operations: counts.operations)
    }
}

extension BenchmarkedModel {
    /// Makes a benchmark of pre-training with the recipe `base`.
    ///
    /// All layers run, although the recipe drops one in twenty at random: all steps do the same work, like other
    /// programs' steps.
    ///
    /// - Parameters:
    ///   - audio: The audio.
    ///   - device: The device that the model runs on.
    ///   - mode: The model's number format.
    ///   - recordsSteps: Whether passes are recorded, as with `optimization.record_steps`; every utterance then
    ///     masks a fixed number of frames, a multiple of 8, so that every step after the second is a replay.
    ///   - subBatches: Number of sub-batches in the micro-batch.
    ///   - group: The processes among which the optimizer's state is sharded, if it is.
    ///   - summation: Makes the summation of gradients over processes, if there is one.
    /// - Throws: `CheckpointError` for a checkpoint of another task; `TorchError` if LibTorch cannot make the model.
    func pretrainingBenchmark(
        on audio: BenchmarkAudio, device: Device, precision mode: ModelPrecision.Mode = .fp32,
        recordsSteps: Bool = false, subBatches: Int = 1, shardedOver group: ProcessGroup? = nil,
        summation: ((FlatParameters) throws -> any GradientSummation)? = nil
    ) throws -> TrainingBenchmark {
        var recipe = try Recipe.load("base").forOneMicroBatch(mode)
        (recipe.model, recipe.objective, recipe.masking) = (configuration, objective, masking)
        if recordsSteps { (recipe.masking.time.count, recipe.masking.time.countMultiple) = (.fixed, 8) }
        recipe.optimization.recordSteps = recordsSteps
        recipe.batching.numConcatBatches = subBatches
        return TrainingBenchmark(
            updates: try StandaloneUpdates(
                pretraining: recipe, weights: checkpoint, on: audio, device: device, shardedOver: group,
                summation: summation, logger: Console.logger("training")))
    }

    /// Makes a benchmark of fine-tuning with the recipe `finetune-base-100h`, with all layers.
    ///
    /// - Parameters:
    ///   - audio: The audio, with labels.
    ///   - device: The device that the model runs on.
    ///   - mode: The model's number format.
    /// - Throws: `CheckpointError` for a checkpoint without shared weights; `TorchError` if LibTorch cannot make the
    ///   model.
    func finetuningBenchmark(
        on audio: BenchmarkAudio, device: Device, precision mode: ModelPrecision.Mode
    ) throws -> TrainingBenchmark {
        guard labelCount >= LabelDictionary.specials.count else {
            throw ConfigurationError(
                "\(weights) has \(labelCount) labels: fine-tuning needs at least the four specials")
        }
        let symbols = LabelDictionary.specials + (LabelDictionary.specials.count..<labelCount).map(String.init)
        var recipe = try Recipe.load("finetune-base-100h").forOneMicroBatch(mode)
            .adoptingArchitecture(of: ModelDescription(task: .encoder, model: configuration))
        recipe.model.encoderLayerdrop = 0
        recipe.masking.time = masking.time
        // A small model has fewer channels than the recipe's spans.
        recipe.masking.channel.length = min(
            recipe.masking.channel.length, max(1, configuration.encoderEmbedDim / 8))
        return TrainingBenchmark(
            updates: try StandaloneUpdates(
                finetuning: recipe, labels: LabelDictionary(symbols: symbols), weights: checkpoint, on: audio,
                device: device, logger: Console.logger("training")))
    }
}

extension Recipe {
    /// Returns the recipe with updates of one micro-batch of one sub-batch.
    fileprivate func forOneMicroBatch(_ mode: ModelPrecision.Mode) -> Recipe {
        var recipe = self
        recipe.seed = 1
        recipe.batching.numConcatBatches = 1
        recipe.optimization.updateFreq = 1
        recipe.precision.mode = .set(mode)
        return recipe
    }
}
