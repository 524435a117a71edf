import W2VTorch

/// Which of attention's weights are dropped.
public struct WeightDropout: Sendable {
    /// The share that is dropped.
    let probability: Double
    private let seed: DropoutSeed

    ///
    /// - Parameter probability: The share that is dropped.
    public init(_ probability: Double, _ seed: DropoutSeed) {
        self.probability = probability
        self.seed = seed
    }

    /// Has a device's default generator, which LibTorch's attention draws from, begin anew.
    ///
    /// Recorded work goes on drawing from it: who does the work again seeds it before.
    func seedDefaultGenerator(on device: Device) throws {
        guard seed.base == nil else { return }
        try Generator.standard(on: device).seed(Int64(bitPattern: seed.number()))
    }

    var mask: DropoutMask { DropoutMask(seed, probability) }

    fileprivate func callAsFunction(_ tensor: Tensor) throws -> Tensor { try tensor.droppingOut(probability, seed) }
}

extension Tensor {
    /// Attention's weights from its scores: softmax over the last dimension, then dropout; not recorded.
    ///
    /// - Parameter type: The type in which the softmax is computed.
    /// - Returns: The weights, of this tensor's type.
    public func attentionWeights(_ dropout: WeightDropout?, softmaxIn type: DType) throws -> Tensor {
        let weights = try softmax(-1, dtype: type)
        return try (dropout?(weights) ?? weights).to(dtype: dtype)
    }

    /// The backward pass of ``attentionWeights(_:softmaxIn:)`` from the same scores, which computes the weights again.
    ///
    /// - Parameter scale: What the scores' gradient is multiplied with.
    /// - Returns: The weights, and the gradient of the scores, both of this tensor's type.
    public func attentionWeightsBackward(
        _ gradient: Tensor, scale: Double, _ dropout: WeightDropout?, softmaxIn type: DType
    ) throws -> (weights: Tensor, scores: Tensor) {
        let weights = try softmax(-1, dtype: type)
        let scores = try weights.softmaxBackward((dropout?(gradient) ?? gradient).to(dtype: type)).to(dtype: dtype)
        try scores.scaleInPlace(scale)
        return (try (dropout?(weights) ?? weights).to(dtype: dtype), scores)
    }
}
