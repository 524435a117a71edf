import W2VBackbone
import W2VKernels
import W2VTorch

/// Gradients of batches whose whole forward and backward passes are recorded where shapes repeat.
///
/// Everything that differs between batches of one shape is read from tensors, including dropout's seeds and LayerDrop's
/// choice: every layer runs, and the results of skipped ones are not used.
public final class RecordedObjective<Main: LeadingObjective> {
    private struct Step: RecordableInput {
        let batch: ObjectiveBatch<Main>
        /// The number that dropouts' seeds are counted from: an int64 scalar.
        let dropoutBase: Tensor
        /// bool [layers]; nil if no layer is ever skipped.
        let keptLayers: Tensor?
        /// The factor on the loss, an FP32 scalar.
        let lossScale: Tensor
        /// What the pass keeps for its backward pass: a function of the shape.
        let kept: KeptActivations

        var shape: ObjectiveBatch<Main>.Shape { batch.shape }
        var tensors: [Tensor] { batch.tensors + [dropoutBase, lossScale] + (keptLayers.map { [$0] } ?? []) }

        /// Returns the step itself: a batch is gathered for one step only.
        func owned(on device: Device) -> Step { self }
    }

    /// The conversion of each shape's numbers to sums.
    private final class Summations {
        var byShape: [ObjectiveBatch<Main>.Shape: LossTerms.Summation] = [:]
    }

    /// The number of shapes that are remembered: as many as the recipe `base` has with a grid of crop lengths.
    package static var capacity: Int { 64 }

    private let model: ObjectiveModel<Main>
    private let device: Device
    private let recorder: WorkRecorder<Step>
    private let summations = Summations()

    /// Prepares for batches.
    ///
    /// - Parameter model: A model whose parameters and gradients never move in memory, and which does not recompute
    ///   layers in its backward pass: recorded attention would not drop the same weights twice.
    public init(_ model: ObjectiveModel<Main>, on device: Device) {
        (self.model, self.device) = (model, device)
        recorder = WorkRecorder(on: device, capacity: Self.capacity, isLarge: true) { [model, summations] step in
            var pass = ForwardPass.recorded(dropoutBase: step.dropoutBase, keptLayers: step.keptLayers)
            pass.plan.kept = step.kept
            let terms = try model.addGradients(step.batch, pass, scaledBy: step.lossScale)
            summations.byShape[step.shape] = terms.summation
            return try terms.numbers()
        }
    }

    /// The numbers of first passes, recordings and replays so far.
    public var counts: RecordingCounts { recorder.counts }

    /// Adds a batch's gradients to those of the parameters.
    ///
    /// - Parameters:
    ///   - batch: The batch, gathered for this call.
    ///   - microBatch: The micro-batch's number in the update.
    ///   - kept: What the pass keeps for its backward pass, the same for all batches of a shape.
    /// - Returns: The numbers to report, which the next call may overwrite, and their conversion to sums.
    /// - Throws: `TorchError.recording` if the passes cannot be recorded.
    public func addGradients(
        _ batch: ObjectiveBatch<Main>, seed: UInt64, update: Int, microBatch: Int, lossScale: Double,
        keeping kept: KeptActivations = []
    ) throws -> (numbers: Tensor, summation: LossTerms.Summation) {
        let base = ForwardPass.dropoutBase(seed: seed, update: update, microBatch: microBatch)
        // LibTorch's attention draws from it.
        if device != .cpu { try Generator.standard(on: device).seed(base) }
        let pass = ForwardPass.training(seed: seed, update: update, microBatch: microBatch)
        let numbers = try recorder(
            Step(
                batch: batch, dropoutBase: Tensor([base], shape: []).to(device: device),
                keptLayers: model.backbone.encoder.keptLayers(pass)?.to(device: device),
                lossScale: .scalar(lossScale, device: device), kept: kept))
        guard let summation = summations.byShape[batch.shape] else {
            throw TorchError.recording("a batch was recorded without its metrics")
        }
        return (numbers, summation)
    }
}
