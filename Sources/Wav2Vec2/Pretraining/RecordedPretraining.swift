import Torch

/// Gradients of pre-training batches, whose whole forward and backward passes are recorded where shapes repeat.
///
/// All that differs between batches of one shape is read from tensors, dropout's seeds, the temperature and LayerDrop's
/// choice included: every layer runs, and the results of those that are left out are not used.
public final class RecordedPretraining {
    private struct Step: RecordableInput {
        let batch: PretrainingBatch
        /// What dropouts' seeds are counted from: int64, a single number.
        let dropoutBase: Tensor
        /// bool [layers]; nil where no layer is ever left out.
        let keptLayers: Tensor?
        /// What the loss is multiplied by: FP32, a single number.
        let lossScale: Tensor

        var shape: PretrainingBatch.Shape { batch.shape }
        var tensors: [Tensor] { batch.tensors + [dropoutBase, lossScale] + (keptLayers.map { [$0] } ?? []) }

        /// A batch is gathered for one step alone.
        func owned(on device: Device) -> Step { self }
    }

    /// How many shapes are remembered.
    private static let capacity = 32

    private let model: PretrainingModel
    private let device: Device
    private let recorder: WorkRecorder<Step>

    /// Prepares for batches.
    ///
    /// - Parameters:
    ///   - model: A model whose parameters and gradients stay where they are in memory, and which does not compute layers
    ///     again in its backward pass: recorded attention would not drop the same weights twice.
    ///   - device: Where it lies.
    ///   - numbers: The numbers to report of a batch's losses.
    public init(
        _ model: PretrainingModel, on device: Device, numbers: @escaping (PretrainingLosses) throws -> Tensor
    ) {
        (self.model, self.device) = (model, device)
        recorder = WorkRecorder(on: device, capacity: Self.capacity, isLarge: true) { [model] step in
            let pass = ForwardPass.recorded(dropoutBase: step.dropoutBase, keptLayers: step.keptLayers)
            return try model.addGradients(step.batch, pass, scaledBy: step.lossScale, numbers: numbers)
        }
    }

    /// Adds a batch's gradients to those of the parameters.
    ///
    /// - Parameters:
    ///   - batch: The batch, gathered for this call.
    ///   - seed: The run's seed.
    ///   - update: The update's number.
    ///   - microBatch: The micro-batch's number in the update.
    ///   - lossScale: What the loss is multiplied by.
    /// - Returns: The numbers to report; the next call may overwrite them.
    /// - Throws: `TorchError.recording` if the passes cannot be recorded; `TorchError.operation` if LibTorch refuses a step.
    public func addGradients(
        _ batch: PretrainingBatch, seed: UInt64, update: Int, microBatch: Int, lossScale: Double
    ) throws -> Tensor {
        let base = ForwardPass.dropoutBase(seed: seed, update: update, microBatch: microBatch)
        // LibTorch's attention draws from it.
        if device != .cpu { try Generator.standard(on: device).seed(base) }
        let pass = ForwardPass.training(seed: seed, update: update, microBatch: microBatch)
        return try recorder(
            Step(
                batch: batch, dropoutBase: Tensor([base], shape: []).to(device: device),
                keptLayers: model.model.encoder.keptLayers(pass)?.to(device: device),
                lossScale: .scalar(lossScale, device: device)))
    }
}

extension PretrainingModel {
    /// Adds a batch's gradients to those of the parameters.
    ///
    /// - Parameters:
    ///   - batch: The batch.
    ///   - pass: Dropouts and LayerDrop.
    ///   - lossScale: What the loss is multiplied by: FP32, a single number.
    ///   - numbers: The numbers to report of its losses.
    /// - Returns: The numbers to report.
    /// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
    public func addGradients(
        _ batch: PretrainingBatch, _ pass: ForwardPass, scaledBy lossScale: Tensor,
        numbers: (PretrainingLosses) throws -> Tensor
    ) throws -> Tensor {
        let losses = try self(batch, pass)
        try losses.total.backward(gradient: lossScale)
        return try numbers(losses)
    }
}
