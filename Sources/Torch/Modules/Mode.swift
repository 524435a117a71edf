import Randomness

/// What one dropout's mask is drawn from.
public struct DropoutSeed: Sendable {
    let value: Int64
}

/// Seeds for the dropouts of one forward pass, drawn in the order in which the dropouts run.
public final class DropoutSource {
    private var stream: RandomStream

    /// Makes the source from a stream keyed by (seed, update, rank, micro-batch).
    public init(_ stream: RandomStream) {
        self.stream = stream
    }

    /// The seed of the next dropout.
    public func nextSeed() -> DropoutSeed { DropoutSeed(value: stream.seed()) }

    /// A source that gives the same seeds from here on, whatever this one does.
    public func copied() -> DropoutSource { DropoutSource(stream) }
}

/// Whether a forward pass trains or predicts.
public enum Mode {
    /// No dropout.
    case inference
    /// Dropouts drop, with masks that depend on the source only.
    case training(DropoutSource)

    /// Whether this is a training pass.
    public var isTraining: Bool {
        if case .training = self { return true }
        return false
    }

    /// The same mode, whose dropouts draw the same masks from here on, whatever this one's do.
    public func copied() -> Mode {
        if case .training(let source) = self { return .training(source.copied()) }
        return self
    }

    /// The seed of the next dropout, in training.
    public func nextDropoutSeed() -> DropoutSeed? {
        if case .training(let source) = self { return source.nextSeed() }
        return nil
    }
}

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
        let converts = device == .cpu && dtype.isHalfPrecision
        let source = try (converts ? to(dtype: .float32) : self).contiguous()
        let drops = DropoutMask(seed, probability)
        if source.fitsDeviceKernels { return try source.deviceDropped(drops, ofGELU: false).to(dtype: dtype) }
        if source.fitsHostKernels { return try source.hostDroppingOut(drops).to(dtype: dtype) }
        let mask = try emptyLike()
        try mask.fillBernoulliInPlace(1 - probability, generator: Generator(seed: seed.value, device: device))
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
    /// - Returns: [..., outputs].
    /// - Throws: `TorchError.operation` for sizes that do not go together.
    public func geluDropoutLinear(
        _ probability: Double, _ mode: Mode, weight: Tensor, bias: Tensor?
    ) throws -> Tensor {
        guard probability < 1, fitsKernels(with: weight) else {
            return try gelu().dropout(probability, mode).linear(weight, bias: bias)
        }
        let mask = probability > 0 ? mode.nextDropoutSeed().map { DropoutMask($0, probability) } : nil
        return try fusedGELUDropoutLinear(mask ?? .none, weight: weight, bias: bias)
    }

    /// The tensor itself, with gradients multiplied by a factor (fairseq's `GradMultiply`).
    public func scalingGradient(by factor: Double) throws -> Tensor {
        if factor == 1 { return self }
        return try differentiable("gradient scaling", [self]) {
            ([self], { gradients, _ in try [gradients[0].map { try $0 * factor }] })
        }[0]
    }
}
