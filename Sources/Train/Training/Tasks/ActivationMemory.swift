import W2VBackbone
import W2VTorch

/// The memory that a run has for activations, which decides what its passes keep for their backward passes.
struct ActivationMemory {
    /// The bytes that were free when model and optimizer had theirs; `nil` where nothing is gained by keeping more.
    let free: Int?
    /// The share of them that passes may take.
    let share: Double

    /// Measures a device's memory; model and optimizer must be there already.
    ///
    /// - Parameters:
    ///   - isWanted: Whether passes may keep more than they need.
    ///   - recordsSteps: Whether passes are recorded: recordings have memory of their own, beside that of other passes.
    /// - Throws: `TorchError.operation` when the driver does not answer.
    init(on device: Device, isWanted: Bool, recordsSteps: Bool) throws {
        free = isWanted ? try device.freeMemory() : nil
        share = recordsSteps ? 0.4 : 0.8
    }

    /// Returns what a pass over utterances keeps.
    ///
    /// It depends on nothing but their lengths, so that recorded passes of one shape keep the same.
    func kept(_ model: Wav2Vec2Model, samples: [Int]) -> KeptActivations {
        guard free != nil else { return [] }
        let size = model.featureExtractor.blocks.first?.weight.dtype.itemSize ?? 4
        var needs = ActivationBytes(model.configuration, samples: samples, elementSize: size)
        // A frozen extractor has no backward pass.
        if model.configuration.featureGradMult == 0 { (needs.firstLayer, needs.extractor) = (0, 0) }
        return .chosen(for: needs, free: free, share: share)
    }
}
