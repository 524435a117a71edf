import W2VBackbone
import W2VObjectives
import W2VTorch

/// A micro-batch that is ready for the model: its samples are on the device, and its random choices are made.
protocol PreparedMicroBatch {
    /// The utterances.
    var batch: MicroBatch { get }

    /// Adds the micro-batch's gradients to those of the parameters.
    ///
    /// - Parameter lossScale: The factor on the loss before the backward pass.
    /// - Returns: The sums, which a device may still be computing.
    /// - Throws: What the model throws.
    func addGradients(lossScale: Double) throws -> PendingSums
}

/// The sums of a micro-batch whose work a device may not have done yet.
struct PendingSums {
    /// What is known without the device.
    let counts: Statistics
    /// The loss and the metrics, on the device.
    let numbers: Tensor
    /// What reads them.
    let summation: LossTerms.Summation

    /// Waits until the device is done.
    ///
    /// - Returns: The sums.
    /// - Throws: `TorchError` if they cannot be read.
    func wait() throws -> Statistics {
        var sums = counts
        let (loss, metrics) = try summation(numbers)
        sums.loss = loss
        sums.metrics += metrics
        return sums
    }
}

/// A micro-batch for a model of some objective.
struct PreparedBatch<Main: LeadingObjective>: PreparedMicroBatch {
    let batch: MicroBatch
    /// The batch with its draws, where the model is.
    let input: ObjectiveBatch<Main>
    /// The model.
    let model: ObjectiveModel<Main>
    /// Does passes again where their shapes repeat, if the run wants it.
    var recorded: RecordedObjective<Main>?
    /// The run's seed.
    let seed: UInt64
    /// The update's number.
    let update: Int
    /// The micro-batch's number in the update.
    let microBatch: Int
    /// Whether no gradient reaches the backbone.
    var freezesBackbone = false
    /// What is known of the sums before the loss is.
    let counts: Statistics

    func addGradients(lossScale: Double) throws -> PendingSums {
        guard let recorded else {
            let terms = try model.addGradients(
                input, .training(seed: seed, update: update, microBatch: microBatch),
                scaledBy: .scalar(lossScale, device: input.utterances.device), freezesBackbone: freezesBackbone)
            return PendingSums(counts: counts, numbers: try terms.numbers(), summation: terms.summation)
        }
        do {
            let (numbers, summation) = try recorded.addGradients(
                input, seed: seed, update: update, microBatch: microBatch, lossScale: lossScale)
            return PendingSums(counts: counts, numbers: numbers, summation: summation)
        } catch TorchError.recording(let message) {
            throw ConfigurationError("optimization.record_steps: \(message); turn it off")
        }
    }
}
