import W2VBackbone
import W2VKernels

extension GumbelVectorQuantizer: OperationCounting {
    /// Counts the projection to logits; looking up entries is excluded.
    public func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        projection.layers.reduce(0) { $0 + $1.operations(lengths, readRows: rows) }
    }
}

extension ObjectiveModel where Main == ContrastiveObjective {
    /// Returns the operations of the contrastive objective.
    ///
    /// - Parameters:
    ///   - samples: The samples of each utterance.
    ///   - masked: The number of masked frames of each utterance.
    public func operations(samples: [Int], masked: [Int]) -> OperationCount {
        var count = backbone.operations(samples: samples, readRows: masked.reduce(0, +))
        if let inputProjection = main.inputProjection {
            let frames = samples.map(backbone.featureExtractor.layers.frames(samples:))
            count.rest += inputProjection.operations(frames, readRows: nil)
            count.rest += (main.ownInputQuantizer ?? quantizer)?.operations(frames, readRows: nil) ?? 0
        }
        for part in [main.targetProjection, main.targetGate, main.finalProjection].compactMap({ $0 }) {
            count.rest += part.operations(masked, readRows: nil)
        }
        count.rest += quantizer?.operations(masked, readRows: nil) ?? 0
        // Predictions with the targets of the same utterance.
        let target = Double(main.finalProjection.weight.size(0))
        count.rest += masked.reduce(0) { $0 + 2 * Double($1) * Double($1) * target }
        return count
    }
}
