import W2VTorch

/// A LayerNorm that normalizes half-precision rows in single precision (fairseq's `Fp32LayerNorm`).
public final class FP32LayerNorm: LayerNorm {
    /// Maps [..., channels] to the same shape.
    public override func callAsFunction(_ input: Tensor) throws -> Tensor {
        // On GPUs LibTorch's own normalization of half-precision rows computes in FP32 throughout.
        guard input.dtype.isHalfPrecision, input.device == .cpu else { return try super.callAsFunction(input) }
        return try input.to(dtype: .float32)
            .layerNormalized(
                weight: weight.to(dtype: .float32), bias: bias.to(dtype: .float32), epsilon: epsilon
            )
            .to(dtype: input.dtype)
    }
}
