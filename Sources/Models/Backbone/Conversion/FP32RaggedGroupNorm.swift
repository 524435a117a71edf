import W2VKernels
import W2VTorch

/// A ragged group norm that normalizes half-precision rows in FP32; the plain one computes only the statistics in FP32.
final class FP32RaggedGroupNorm: RaggedGroupNorm {
    override func callAsFunction(_ input: Tensor, _ layout: RaggedLayout, valid: [Int]) throws -> Tensor {
        let type = input.dtype
        let wide = type.isHalfPrecision ? DType.float32 : type
        return try normalized(
            input.to(dtype: wide), weight: weight.to(dtype: wide), bias: bias.to(dtype: wide), layout, valid: valid
        ).to(dtype: type)
    }
}
