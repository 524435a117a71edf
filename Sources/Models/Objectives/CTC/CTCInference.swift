import W2VBackbone
import W2VKernels
import W2VTorch

/// Log-probabilities of batches, again and again with one model.
///
/// On a GPU a short batch is a few hundred small pieces of work, each of which takes longer to ask for than to do: where the
/// lengths of a batch are those of an earlier one, its work is recorded, and is a single launch from then on.
public final class CTCInference {
    private struct Batch: RecordableInput {
        let samples: Tensor
        let lengths: [Int]

        var shape: [Int] { lengths }
        var tensors: [Tensor] { [samples] }

        func owned(on device: Device) throws -> Batch {
            Batch(samples: try samples.to(device: device).cloned(), lengths: lengths)
        }
    }

    /// Longer batches keep a GPU busy as they are, and recorded work keeps its memory: 20 s.
    private static let mostSamples = 320_000
    /// How many lengths are remembered.
    private static let capacity = 8

    private let model: CTCModel
    private let device: Device
    private var recorder: WorkRecorder<Batch>?

    /// Prepares for batches.
    ///
    /// - Parameter model: A model that no longer changes.
    public init(_ model: CTCModel, on device: Device) {
        self.model = model
        self.device = device
        let layers = model.descendants.compactMap { $0 as? Float8Linear }
        guard device != .cpu, layers.allSatisfy({ $0.canBeRecorded(on: device) }) else { return }
        recorder = WorkRecorder(on: device, capacity: Self.capacity, isLarge: false) { batch in
            try Self.scores(model, batch.samples, batch.lengths)
        }
    }

    /// The log-probabilities of a batch.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths], FP32.
    ///   - lengths: The samples of each utterance.
    /// - Returns: [frames, labels] in FP32, and where utterances lie; the next call may overwrite it.
    /// - Throws: `ConfigurationError` naming an utterance that is shorter than one frame.
    public func callAsFunction(_ samples: Tensor, lengths: [Int]) throws -> (scores: Tensor, layout: RaggedLayout) {
        let layout = try model.backbone.featureExtractor.layout(samples: lengths)
        if let recorder, samples.count <= Self.mostSamples {
            do {
                return (try recorder(Batch(samples: samples, lengths: lengths)), layout)
            } catch TorchError.recording {
                // As when memory is short: the results are the same without it, only later.
                self.recorder = nil
            }
        }
        return (try Self.scores(model, samples.to(device: device), lengths), layout)
    }

    private static func scores(_ model: CTCModel, _ samples: Tensor, _ lengths: [Int]) throws -> Tensor {
        try withoutGradient {
            let logits = try model(samples, lengths: lengths).logits
            return try profiled(.labels) { try logits.logSoftmax(-1, dtype: .float32) }
        }
    }
}
