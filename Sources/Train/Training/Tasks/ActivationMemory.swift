import W2VBackbone
import W2VTorch

/// Decides what a run's passes keep for their backward passes, by the memory that model and optimizer leave.
final class ActivationMemory {
    private let device: Device
    private let isWanted: Bool
    /// The share of the free memory that passes may take.
    private let share: Double
    /// The bytes that are free when the first pass begins; `nil` where nothing is gained by keeping more.
    private lazy var free: Result<Int?, any Error> = Result { isWanted ? try device.freeMemory() : nil }

    /// Prepares for the first pass: model and optimizer have their memory by then.
    ///
    /// - Parameters:
    ///   - isWanted: Whether passes may keep more than they need.
    ///   - recordsSteps: Whether passes are recorded: recordings have memory of their own, beside that of other passes.
    init(on device: Device, isWanted: Bool, recordsSteps: Bool) {
        (self.device, self.isWanted) = (device, isWanted)
        share = recordsSteps ? 0.4 : 0.8
    }

    /// Returns what a pass over utterances keeps; called by the thread that makes the passes.
    ///
    /// It depends on nothing but their lengths, so that recorded passes of one shape keep the same.
    ///
    /// - Throws: `TorchError.operation` when the driver does not answer.
    func kept(_ model: Wav2Vec2Model, samples: [Int]) throws -> KeptActivations {
        guard let free = try free.get() else { return [] }
        let size = model.featureExtractor.blocks.first?.weight.dtype.itemSize ?? 4
        var needs = ActivationBytes(model.configuration, samples: samples, elementSize: size)
        // A frozen extractor has no backward pass.
        if model.configuration.featureGradMult == 0 { (needs.firstLayer, needs.extractor) = (0, 0) }
        return .chosen(for: needs, free: free, share: share)
    }
}
