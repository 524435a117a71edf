import W2VBackbone
import W2VKernels
import W2VTorch

/// Repeated computation of log-probabilities with one model.
///
/// On a GPU a short batch is a few hundred small kernels, each of which takes longer to launch than to run: where a
/// batch has the lengths of an earlier one, its work is recorded, and from then on it is a single launch.
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

    /// The longest recorded batch, 20 s: longer ones keep a GPU busy without recording, and recordings keep their
    /// memory.
    private static let mostSamples = 320_000
    /// The number of recorded shapes.
    private static let capacity = 8

    private let model: CTCModel
    private let device: Device
    private var recorder: WorkRecorder<Batch>?

    /// Makes the inference of a model that no longer changes.
    public init(_ model: CTCModel, on device: Device) {
        self.model = model
        self.device = device
        let layers = model.descendants.compactMap { $0 as? Float8Linear }
        guard device != .cpu, layers.allSatisfy({ $0.canBeRecorded(on: device) }) else { return }
        recorder = WorkRecorder(on: device, capacity: Self.capacity, isLarge: false) { batch in
            try Self.scores(model, batch.samples, batch.lengths)
        }
    }

    /// Returns the log-probabilities of a batch.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths], FP32.
    ///   - lengths: The samples of each utterance.
    /// - Returns: [frames, labels] in FP32, which the next call may overwrite, and the layout of the utterances'
    ///   frames.
    /// - Throws: `ConfigurationError` naming an utterance that is shorter than one frame.
    public func callAsFunction(_ samples: Tensor, lengths: [Int]) throws -> (scores: Tensor, layout: RaggedLayout) {
        let layout = try model.backbone.featureExtractor.layout(samples: lengths)
        if let recorder, samples.count <= Self.mostSamples {
            do {
                return (try recorder(Batch(samples: samples, lengths: lengths)), layout)
            } catch TorchError.recording {
                // Recording may fail when memory is short: without it the results are the same, only later.
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
