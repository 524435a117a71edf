import Torch

private let exactGELU = Operator("aten::gelu")
private let exactGELUBackward = Operator("aten::gelu_backward")

extension Tensor {
    /// Gaussian error linear unit, in its exact (erf) form.
    ///
    /// FP32 and BF16 in host memory have a kernel of their own, in FP32 within 1e-6 of the largest magnitude, and without
    /// second derivatives.
    public func gelu() throws -> Tensor {
        fitsElementwiseHostKernels ? try hostGELU() : try exactGELU(.tensor(self))
    }

    /// The gradient of ``gelu()`` at this input; it may take the memory of `gradient`.
    public func geluBackward(_ gradient: Tensor) throws -> Tensor {
        if fitsElementwiseHostKernels, gradient.fitsElementwiseHostKernels, gradient.dtype == dtype {
            return try hostGELUBackward(into: gradient)
        }
        return try exactGELUBackward(.tensor(gradient), .tensor(self))
    }
}
