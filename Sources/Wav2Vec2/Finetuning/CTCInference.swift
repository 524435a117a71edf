import Torch

/// Log-probabilities of batches, again and again with one model.
///
/// On a GPU a short batch is a few hundred small pieces of work, each of which takes longer to ask for than to do: where the
/// lengths of a batch are those of an earlier one, its work is recorded, and is a single launch from then on.
public final class CTCInference {
    private struct Pass {
        var recorded: (samples: Tensor, graph: DeviceGraph)?
        var lastUse: Int
    }

    /// Longer batches keep a GPU busy as they are, and recorded work keeps its memory: 20 s.
    private static let mostSamples = 320_000
    /// How many lengths are remembered.
    private static let capacity = 8

    private let model: CTCModel
    private let device: Device
    private var passes: [[Int]: Pass] = [:]
    private var uses = 0

    /// Prepares for batches.
    ///
    /// - Parameters:
    ///   - model: A model that no longer changes.
    ///   - device: Where it lies.
    public init(_ model: CTCModel, on device: Device) {
        self.model = model
        self.device = device
    }

    /// The log-probabilities of a batch.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths], FP32.
    ///   - lengths: The samples of each utterance.
    /// - Returns: [frames, labels] in FP32, and where utterances lie; the next call may write it anew.
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame; `TorchError.operation` if
    ///   LibTorch refuses.
    public func callAsFunction(_ samples: Tensor, lengths: [Int]) throws -> (scores: Tensor, layout: RaggedLayout) {
        guard device != .cpu, samples.count <= Self.mostSamples else {
            let input = try samples.to(device: device)
            return (try scores(input, lengths), try model.model.featureExtractor.layout(samples: lengths))
        }
        uses += 1
        let layout = try model.model.featureExtractor.layout(samples: lengths)
        guard let pass = passes[lengths] else {
            remember(lengths)
            return (try scores(samples.to(device: device), lengths), layout)
        }
        let (input, graph) = try pass.recorded ?? record(samples, lengths)
        passes[lengths] = Pass(recorded: (input, graph), lastUse: uses)
        try input.copy(from: samples)
        try graph.replay()
        return (graph.output, layout)
    }

    private func record(_ samples: Tensor, _ lengths: [Int]) throws -> (samples: Tensor, graph: DeviceGraph) {
        let input = try samples.to(device: device).cloned()
        // Uploads what shapes decide, as far as that has been forgotten: it cannot be recorded.
        _ = try scores(input, lengths)
        return (input, try DeviceGraph(on: device) { try scores(input, lengths) })
    }

    private func scores(_ samples: Tensor, _ lengths: [Int]) throws -> Tensor {
        try withoutGradient {
            let logits = try model(samples, lengths: lengths).logits
            return try profiled(.ctc) { try logits.logSoftmax(-1, dtype: .float32) }
        }
    }

    private func remember(_ lengths: [Int]) {
        if passes.count >= Self.capacity, let oldest = passes.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            passes[oldest.key] = nil
        }
        passes[lengths] = Pass(recorded: nil, lastUse: uses)
    }
}
