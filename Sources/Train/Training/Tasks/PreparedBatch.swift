import W2VBackbone
import W2VObjectives
import W2VTorch

/// A micro-batch that is ready for the model: its samples are on the device, and its random draws are made.
protocol PreparedMicroBatch {
    /// The utterances.
    var batch: MicroBatch { get }

    /// Adds the micro-batch's gradients to the parameters' gradients.
    ///
    /// - Parameter lossScale: The factor on the loss before the backward pass.
    /// - Returns: The sums, which a device may still be computing.
    func addGradients(lossScale: Double) throws -> PendingSums
}

/// The sums of a micro-batch that a device may still be computing.
struct PendingSums {
    /// The sums that are known without the device.
    let counts: Statistics
    /// The loss and the metrics, on the device.
    let numbers: Tensor
    /// The layout of `numbers`.
    let summation: LossTerms.Summation

    /// Waits until the device has computed the loss and the metrics.
    ///
    /// - Returns: All sums.
    func wait() throws -> Statistics {
        var sums = counts
        let (loss, metrics) = try summation(numbers)
        sums.loss = loss
        sums.metrics += metrics
        return sums
    }
}

/// A micro-batch for a model of any leading objective.
struct PreparedBatch<Main: LeadingObjective>: PreparedMicroBatch {
    let batch: MicroBatch
    /// The batch with its draws, on the model's device.
    let input: ObjectiveBatch<Main>
    /// The model.
    let model: ObjectiveModel<Main>
    /// Records and replays passes of repeated shapes, if the run asks for it.
    var recorded: RecordedObjective<Main>?
    /// The run's random seed.
    let seed: UInt64
    /// The update's number.
    let update: Int
    /// The micro-batch's number in the update.
    let microBatch: Int
    /// Whether no gradient reaches the backbone.
    var freezesBackbone = false
    /// What the pass keeps for its backward pass.
    var kept: KeptActivations = []
    /// The sums that are known before the loss.
    let counts: Statistics

    func addGradients(lossScale: Double) throws -> PendingSums {
        guard let recorded else {
            var pass = ForwardPass.training(seed: seed, update: update, microBatch: microBatch)
            pass.plan.kept = kept
            let terms = try model.addGradients(
                input, pass,
                scaledBy: .scalar(lossScale, device: input.utterances.device), freezesBackbone: freezesBackbone)
            return PendingSums(counts: counts, numbers: try terms.numbers(), summation: terms.summation)
        }
        do {
            let (numbers, summation) = try recorded.addGradients(
                input, seed: seed, update: update, microBatch: microBatch, lossScale: lossScale, keeping: kept)
            return PendingSums(counts: counts, numbers: numbers, summation: summation)
        } catch TorchError.recording(let message) {
            throw ConfigurationError("optimization.record_steps: \(message); turn it off")
        }
    }
}
