import CKernels

/// Which of attention's weights are dropped.
public struct WeightDropout: Sendable {
    /// The share that is dropped.
    let probability: Double
    private let seed: DropoutSeed
    /// The index of the first weight: where the heads before it have theirs.
    fileprivate private(set) var first = 0

    /// - Parameters:
    ///   - probability: The share that is dropped.
    ///   - seed: What decides which.
    public init(_ probability: Double, _ seed: DropoutSeed) {
        self.probability = probability
        self.seed = seed
    }

    /// The dropout of the weights that begin at an index of all of an utterance's weights.
    public func starting(at index: Int) -> WeightDropout {
        var part = self
        part.first = index
        return part
    }

    /// Has a device's default generator, which LibTorch's attention draws from, begin anew.
    func seedDefaultGenerator(on device: Device) throws { try Generator.standard(on: device).seed(seed.value) }

    fileprivate var mask: DropoutMask { DropoutMask(seed, probability) }

    fileprivate func callAsFunction(_ tensor: Tensor) throws -> Tensor {
        guard first == 0 else { throw TorchError.shape("only the kernels of host memory drop a part of the weights") }
        return try tensor.droppingOut(probability, seed)
    }
}

extension Tensor {
    /// Attention's weights from its scores: softmax over the last dimension, then dropout; not recorded.
    ///
    /// - Parameters:
    ///   - dropout: What is dropped.
    ///   - type: The type in which the softmax is computed.
    /// - Returns: The weights, of this tensor's type. They may take this tensor's memory, which is of no use afterwards.
    /// - Throws: `TorchError.operation` if LibTorch refuses.
    public func attentionWeights(_ dropout: WeightDropout?, softmaxIn type: DType) throws -> Tensor {
        guard fitsHostKernels, type == .float32, (dropout?.mask.probability ?? 0) < 1 else {
            let weights = try softmax(-1, dtype: type)
            return try (dropout?(weights) ?? weights).to(dtype: dtype)
        }
        let (columns, mask) = (size(-1), dropout?.mask ?? .none)
        try withFloats(self) {
            ck_attention_weights(
                $0[0], Int64(count / columns), Int64(columns), Int64(dropout?.first ?? 0), mask.seed, mask.probability,
                Int32(LibTorch.threads))
        }
        return self
    }

    /// The backward pass of ``attentionWeights(_:softmaxIn:)`` from the same scores, which computes the weights again.
    ///
    /// - Parameters:
    ///   - gradient: Of the weights.
    ///   - scale: What the scores' gradient is multiplied with.
    ///   - dropout: As in the forward pass.
    ///   - type: As in the forward pass.
    /// - Returns: The weights, and the gradient of the scores, both of this tensor's type. They may take the memory of this
    ///   tensor and of `gradient`.
    /// - Throws: `TorchError.operation` if LibTorch refuses.
    public func attentionWeightsBackward(
        _ gradient: Tensor, scale: Double, _ dropout: WeightDropout?, softmaxIn type: DType
    ) throws -> (weights: Tensor, scores: Tensor) {
        guard fitsHostKernels, gradient.fitsHostKernels, type == .float32, (dropout?.mask.probability ?? 0) < 1 else {
            let weights = try softmax(-1, dtype: type)
            let scores = try weights.softmaxBackward((dropout?(gradient) ?? gradient).to(dtype: type)).to(dtype: dtype)
            try scores.scaleInPlace(scale)
            return (try (dropout?(weights) ?? weights).to(dtype: dtype), scores)
        }
        let (columns, mask) = (size(-1), dropout?.mask ?? .none)
        try withFloats(self, gradient) {
            ck_attention_weights_backward(
                $0[0], $0[1], scale, Int64(count / columns), Int64(columns), Int64(dropout?.first ?? 0), mask.seed,
                mask.probability, Int32(LibTorch.threads))
        }
        return (self, gradient)
    }
}
