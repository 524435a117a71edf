import CW2VKernels
import W2VTorch

/// GELU of elements, which keeps only its input; GPUs use LibTorch's own.
struct GELU: FusedOperation {
    let input: Tensor

    var onHost: BothPasses? {
        guard input.fitsElementwiseHostKernels else { return nil }
        return BothPasses(
            forward: { [try input.hostGELU()] },
            backward: { gradients, _ in
                try [
                    gradients[0].map { gradient in
                        let (result, gradient) = (
                            try input.emptyLike(), try gradient.to(dtype: input.dtype).contiguous()
                        )
                        try input.writeHostGELUGradient(gradient, into: result)
                        return result
                    }
                ]
            })
    }
}

private let exactGELU = TorchOperator("aten::gelu")
private let exactGELUBackward = TorchOperator("aten::gelu_backward")

extension Tensor {
    /// Returns the Gaussian error linear unit, in its exact (erf) form.
    ///
    /// FP32 and BF16 in host memory use a kernel of our own, accurate in FP32 to 1e-6 of the largest magnitude, without
    /// second derivatives.
    public func gelu() throws -> Tensor {
        guard let kernels = try GELU(input: self).kernels else { return try exactGELU(.tensor(self)) }
        return try kernels.recorded("GELU", [self])[0]
    }

    /// Returns the gradient of ``gelu()`` at this input; it may reuse the memory of `gradient`.
    public func geluBackward(_ gradient: Tensor) throws -> Tensor {
        guard fitsElementwiseHostKernels(with: [gradient]) else {
            return try exactGELUBackward(.tensor(gradient), .tensor(self))
        }
        try writeHostGELUGradient(gradient, into: gradient)
        return gradient
    }

    /// GELU of elements in host memory, not recorded.
    func hostGELU() throws -> Tensor {
        try mappedOnHost { ck_gelu($0, $1, $2, Int64(count), HostKernels.threads) }
    }

    /// Writes GELU's gradient at this input, in host memory; `result` may be the output's gradient itself.
    func writeHostGELUGradient(_ gradient: Tensor, into result: Tensor) throws {
        try withAddresses(self, gradient, result) {
            ck_gelu_backward($0[0], $0[1], $0[2], kernelFormat, Int64(count), HostKernels.threads)
        }
    }

    /// Applies a kernel in host memory to each element.
    func mappedOnHost(
        _ kernel: (_ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, ck_format) -> Void
    ) throws -> Tensor {
        let output = try emptyLike()
        try withAddresses(self, output) { kernel($0[0], $0[1], kernelFormat) }
        return output
    }
}
