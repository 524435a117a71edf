import Torch

extension Tensor {
    /// Zeroes elements with a probability and scales the others by 1 / (1 − probability), in training only.
    ///
    /// The mask is a function of a seed and of the elements' positions, whatever the number of threads, so that the
    /// backward pass draws it again instead of keeping it. Kernels of our own draw it, the same masks in host memory and
    /// on GPUs, and the same in half precision; what they do not take (FP64) gets the masks of LibTorch's generators.
    public func dropout(_ probability: Double, _ mode: Mode) throws -> Tensor {
        guard probability > 0, let seed = mode.nextDropoutSeed() else { return self }
        return try differentiable("dropout", [self]) {
            (
                [try droppingOut(probability, seed)],
                { gradients, _ in
                    try [gradients[0].map { try $0.droppingOut(probability, seed) }]
                }
            )
        }[0]
    }

    /// The elements with a seed's dropout mask applied, without recording: for backward passes written by hand.
    public func droppingOut(_ probability: Double, _ seed: DropoutSeed) throws -> Tensor {
        guard probability < 1 else { return try self * 0 }
        let converts = device == .cpu && dtype == .float16
        let source = try (converts ? to(dtype: .float32) : self).contiguous()
        let drops = DropoutMask(seed, probability)
        if source.fitsDeviceKernels { return try source.deviceDropped(drops, ofGELU: false).to(dtype: dtype) }
        if source.fitsElementwiseHostKernels { return try source.hostDroppingOut(drops).to(dtype: dtype) }
        let mask = try emptyLike()
        try mask.fillBernoulliInPlace(
            1 - probability, generator: Generator(seed: Int64(bitPattern: seed.number()), device: device))
        try mask.scaleInPlace(1 / (1 - probability))
        return try self * mask
    }

    /// ``gelu()``, ``dropout(_:_:)`` and ``linear(_:bias:)``, one after the other.
    ///
    /// Where there is a kernel for it, the product's input is not kept for the backward pass, but computed again.
    ///
    /// - Parameters:
    ///   - probability: The share of the activations that is dropped.
    ///   - mode: Whether anything is.
    ///   - weight: [outputs, inputs].
    ///   - bias: [outputs], or none.
    ///   - ownBias: What was added to all rows of this tensor last, without being recorded: [inputs], whose gradient comes
    ///     with this tensor's. None otherwise.
    /// - Returns: [..., outputs].
    /// - Throws: `TorchError.operation` for sizes that do not go together.
    public func geluDropoutLinear(
        _ probability: Double, _ mode: Mode, weight: Tensor, bias: Tensor?, ownBias: Tensor? = nil
    ) throws -> Tensor {
        guard probability < 1, fitsKernels(with: weight) else {
            let recorded = try ownBias.map { try self - $0.detached() + $0 } ?? self
            return try recorded.gelu().dropout(probability, mode).linear(weight, bias: bias)
        }
        let mask = probability > 0 ? mode.nextDropoutSeed().map { DropoutMask($0, probability) } : nil
        return try fusedGELUDropoutLinear(mask ?? .none, weight: weight, bias: bias, ownBias: ownBias)
    }
}
