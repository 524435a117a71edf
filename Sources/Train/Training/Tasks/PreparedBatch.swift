import W2VBackbone
import W2VBase
import W2VObjectives
import W2VTorch

/// A micro-batch that is ready for the model: its samples are on the device, and its random draws are made.
protocol PreparedMicroBatch {
    /// The utterances.
    var batch: MicroBatch { get }
    /// The tensors on the model's device that may have memory of their own.
    var tensors: [Tensor] { get }

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
    /// The loss, on the device: an FP64 scalar.
    let loss: Tensor
    /// The loss and the metrics, on their way to the host.
    private let numbers: Download
    /// The layout of `numbers`.
    private let summation: LossTerms.Summation

    /// Starts to fetch the numbers, which the next micro-batch may overwrite.
    init(counts: Statistics, numbers: Tensor, summation: LossTerms.Summation) throws {
        (self.counts, self.summation) = (counts, summation)
        loss = try numbers.selected(0, 0).cloned()
        self.numbers = try Download(numbers)
    }

    /// Waits until the device has computed the loss and the metrics.
    ///
    /// - Returns: All sums.
    func wait() throws -> Statistics {
        var sums = counts
        let (loss, metrics) = try summation(numbers.wait())
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
    /// The sums that are known before the loss, without the operations.
    let counts: Statistics
    /// Chooses what the pass keeps for its backward pass, when it begins.
    let kept: () throws -> KeptActivations
    /// Counts the model's operations, which needs its parameters: not while another thread may replace them.
    let operations: () -> Double

    var tensors: [Tensor] { input.tensors }

    func addGradients(lossScale: Double) throws -> PendingSums {
        let (numbers, summation) = try numbers(lossScale: lossScale)
        // A GPU computes meanwhile.
        var counts = counts
        counts.operations = operations()
        return try PendingSums(counts: counts, numbers: numbers, summation: summation)
    }

    /// Adds the gradients, and returns the loss and the metrics on the device.
    private func numbers(lossScale: Double) throws -> (Tensor, LossTerms.Summation) {
        guard let recorded else {
            var pass = ForwardPass.training(seed: seed, update: update, microBatch: microBatch)
            pass.plan.kept = try kept()
            let terms = try model.addGradients(
                input, pass,
                scaledBy: .scalar(lossScale, device: input.utterances.device), freezesBackbone: freezesBackbone)
            return (try terms.numbers(), terms.summation)
        }
        do {
            return try recorded.addGradients(
                input, seed: seed, update: update, microBatch: microBatch, lossScale: lossScale, keeping: kept())
        } catch TorchError.recording(let message) {
            throw ConfigurationError("optimization.record_steps: \(message); turn it off")
        }
    }
}

extension MicroBatch {
    /// Draws the masks of all sub-batches, in parallel.
    ///
    /// - Parameters:
    ///   - masking: The masks' distribution.
    ///   - layout: The frames of each utterance.
    ///   - isSpared: Whether an utterance of this many frames keeps them all.
    ///   - firstSubBatch: The number of the first sub-batch in the update.
    func drawMasks(
        _ recipe: Recipe, _ masking: MaskingConfiguration, _ layout: RaggedLayout,
        sparing isSpared: (Int) -> Bool = { _ in false }, update: Int,
        firstSubBatch: Int
    ) throws -> [Mask] {
        let (channels, seed) = (recipe.model.encoderEmbedDim, recipe.seed)
        let drawn = subBatches.map { utterances in
            let frames = Array(layout.lengths[utterances])
            return (frames: frames, spared: Set(frames.indices.filter { isSpared(frames[$0]) }))
        }
        return try ParallelMap.map(count: drawn.count, block: 1) { index in
            try Mask.draw(
                masking, lengths: drawn[index].frames, sparing: drawn[index].spared, channels: channels, seed: seed,
                update: update, subBatch: firstSubBatch + index)
        }.map { try $0.get() }
    }
}
