import Kernels

extension GumbelVectorQuantizer: OperationCounting {
    /// The projection to logits; looking entries up is left out.
    public func operations(_ lengths: [Int], reading rows: Int?) -> Double {
        projection.layers.reduce(0) { $0 + $1.operations(lengths, reading: rows) }
    }
}

extension PretrainingModel {
    /// The operations of the contrastive objective.
    ///
    /// - Parameters:
    ///   - samples: The samples of each utterance.
    ///   - masked: How many frames of each utterance are masked.
    /// - Returns: The count.
    public func operations(samples: [Int], masked: [Int]) -> OperationCount {
        var count = model.operations(samples: samples, reading: masked.reduce(0, +))
        if let inputProjection {
            let frames = samples.map(model.featureExtractor.layers.frames(samples:))
            count.rest += inputProjection.operations(frames, reading: nil)
            count.rest += (ownInputQuantizer ?? quantizer)?.operations(frames, reading: nil) ?? 0
        }
        for part in [targetProjection, targetGate, finalProjection].compactMap({ $0 }) {
            count.rest += part.operations(masked, reading: nil)
        }
        count.rest += quantizer?.operations(masked, reading: nil) ?? 0
        // Predictions with the targets of the same utterance.
        let target = Double(finalProjection.weight.size(0))
        count.rest += masked.reduce(0) { $0 + 2 * Double($1) * Double($1) * target }
        return count
    }
}
