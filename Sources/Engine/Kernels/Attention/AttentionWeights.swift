import W2VTorch

/// The dropout of attention weights.
public struct WeightDropout: Sendable {
    /// The probability that a weight is dropped.
    let probability: Double
    private let seed: DropoutSeed

    /// Makes the dropout of a probability and a seed.
    public init(_ probability: Double, _ seed: DropoutSeed) {
        self.probability = probability
        self.seed = seed
    }

    /// Seeds a device's default generator, from which LibTorch's attention draws its dropout.
    ///
    /// Recorded work keeps drawing from it: seed it before each replay.
    func seedDefaultGenerator(on device: Device) throws {
        guard seed.base == nil else { return }
        try Generator.standard(on: device).seed(Int64(bitPattern: seed.number()))
    }

    var mask: DropoutMask { DropoutMask(seed, probability) }

    fileprivate func callAsFunction(_ tensor: Tensor) throws -> Tensor { try tensor.droppingOut(probability, seed) }
}

extension Tensor {
    /// Returns attention weights from scores: softmax over the last dimension, then dropout; not recorded.
    public func attentionWeights(_ dropout: WeightDropout?, softmaxIn type: DType) throws -> Tensor {
        let weights = try softmax(-1, dtype: type)
        return try (dropout?(weights) ?? weights).to(dtype: dtype)
    }

    /// Returns the weights again and the gradient of the scores: the backward pass of
    /// ``attentionWeights(_:softmaxIn:)``.
    ///
    /// - Parameter scale: A factor on the scores' gradient.
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
