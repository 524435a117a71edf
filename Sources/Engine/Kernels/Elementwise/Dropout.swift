import CW2VKernels
import W2VTorch

/// Dropout of elements.
struct Dropout: FusedOperation {
    let input: Tensor
    let mask: DropoutMask

    var onHost: ForwardPass? {
        guard input.fitsElementwiseHostKernels else { return nil }
        return {
            let seed = try mask.seed.number()
            return try input.mappedOnHost {
                ck_dropout($0, $1, $2, Int64(input.count), seed, mask.probability, HostKernels.threads)
            }
        }
    }

    var onDevice: ForwardPass? {
        guard input.fitsDeviceKernels else { return nil }
        return { try GELUDropoutKernel.output(of: input, mask, appliesGELU: false) }
    }
}

extension Tensor {
    /// Zeroes elements with a probability and scales the others by 1 / (1 − probability), in training only.
    ///
    /// The mask is a function of a seed and of the elements' positions, whatever the number of threads, so that the
    /// backward pass recomputes it. Our own kernels draw the same masks in host memory and on GPUs, and the same in
    /// half precision; tensors that they do not support (FP64) get the masks of LibTorch's generators.
    public func dropout(_ probability: Double, _ mode: Module.Mode) throws -> Tensor {
        try dropout(mode.nextMask(probability))
    }

    /// Applies a mask to the elements, recorded.
    func dropout(_ mask: DropoutMask) throws -> Tensor {
        guard mask.probability > 0 else { return self }
        return try differentiable("dropout", [self]) {
            (
                [try droppingOut(mask.probability, mask.seed)],
                { gradients, _ in
                    try [gradients[0].map { try $0.droppingOut(mask.probability, mask.seed) }]
                }
            )
        }[0]
    }

    /// Applies a seed's dropout mask to the elements, without recording: for backward passes written by hand.
    public func droppingOut(_ probability: Double, _ seed: DropoutSeed) throws -> Tensor {
        guard probability < 1 else { return try self * 0 }
        let converts = device == .cpu && dtype == .float16
        let source = try (converts ? to(dtype: .float32) : self).contiguous()
        if let kernels = try Dropout(input: source, mask: DropoutMask(seed, probability)).kernels {
            return try kernels().to(dtype: dtype)
        }
        let mask = try emptyLike()
        try mask.fillBernoulliInPlace(
            1 - probability, generator: Generator(seed: Int64(bitPattern: seed.number()), device: device))
        try mask.scaleInPlace(1 / (1 - probability))
        return try self * mask
    }
}
