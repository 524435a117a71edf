import Logging
import W2VBackbone
import W2VCorpus
import W2VInterchange
import W2VKernels
import W2VTorch

/// Updates of a model without a run's folder, held-out sets and logs, as benchmarks measure them.
///
/// Task and update step are those of training.
package final class StandaloneUpdates {
    /// The amounts of work in an update.
    package struct Counts {
        /// Samples of audio.
        package var samples: Int
        /// Frames of the encoder.
        package var frames: Int
        /// Masked frames.
        package var maskedFrames: Int
        /// Floating-point operations of the model, counted analytically.
        package var operations: Double
    }

    /// The model and its objectives.
    let task: any TrainingTask
    private let step: UpdateStep
    private let optimization: Recipe.OptimizationSection
    private let device: Device
    private var updates = 0

    /// Prepares pre-training.
    ///
    /// - Parameters:
    ///   - recipe: The architecture and the training settings.
    ///   - weights: The checkpoint whose weights training starts from; `nil` for random weights.
    ///   - data: The audio.
    ///   - device: The device that the model runs on.
    ///   - group: The processes among which the optimizer's state is sharded, if it is.
    ///   - summation: Makes the summation of gradients over processes, if there is one.
    ///   - logger: Receives what people should know.
    /// - Throws: `CheckpointError` for a checkpoint of another task; `ConfigurationError`, `TorchError`.
    package convenience init(
        pretraining recipe: Recipe, weights: Checkpoint?, on data: any MicroBatchSource, device: Device,
        shardedOver group: ProcessGroup? = nil,
        summation: ((FlatParameters) throws -> any GradientSummation)? = nil,
        logger: Logger
    ) throws {
        try device.prepare()
        let task = try PretrainingTask(recipe, weights: weights, device: device, shardedOver: group)
        try self.init(task, recipe, data, device, summation, logger)
    }

    /// Prepares fine-tuning.
    ///
    /// - Parameters:
    ///   - recipe: The architecture and the training settings.
    ///   - labels: The symbols of the output layer.
    ///   - weights: The checkpoint whose weights training starts from, a recognizer of these labels or a pre-trained
    ///     model; `nil` for random weights.
    ///   - data: The audio, with labels.
    ///   - device: The device that the model runs on.
    ///   - logger: Receives what people should know.
    /// - Throws: `CheckpointError`, `ConfigurationError`, `TorchError`.
    package convenience init(
        finetuning recipe: Recipe, labels: LabelDictionary, weights: Checkpoint?, on data: any MicroBatchSource,
        device: Device, logger: Logger
    ) throws {
        let origin: FinetuningTask.Weights =
            weights.map { $0.description.task.hasLabels ? .all($0) : .shared($0) } ?? .random
        try device.prepare()
        let task = try FinetuningTask(recipe, dictionary: labels, weights: origin, device: device)
        try self.init(task, recipe, data, device, nil, logger)
    }

    private init(
        _ task: any TrainingTask, _ recipe: Recipe, _ data: any MicroBatchSource, _ device: Device,
        _ summation: ((FlatParameters) throws -> any GradientSummation)?, _ logger: Logger
    ) throws {
        self.task = task
        self.device = device
        optimization = recipe.optimization
        step = try UpdateStep(
            task, data, recipe, summation: summation.map { make in { try make($0.parameters) } }, logger: logger)
    }

    /// Total time that updates have waited for data, in seconds.
    package var waitSeconds: Double { step.waitSeconds }

    /// Makes the next update, and waits until the device has completed it.
    ///
    /// - Throws: ``TrainingError``, or an error of the data or the model.
    package func next() throws -> Counts {
        updates += 1
        let rate = optimization.learningRate.rate(update: updates, maxUpdate: optimization.maxUpdate)
        let sums = try step(updates, learningRate: rate)
        try device.synchronize()
        return Counts(
            samples: sums?.samples ?? 0, frames: sums?.frames ?? 0, maskedFrames: sums?.maskedFrames ?? 0,
            operations: sums?.operations ?? 0)
    }
}
