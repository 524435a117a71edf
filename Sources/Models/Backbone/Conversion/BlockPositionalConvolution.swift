import W2VKernels
import W2VTorch

/// A positional convolution in half precision, by products of large matrices: for training on GPUs where the recipe does
/// not ask for FP32.
///
/// Both its factors are rounded, as in fairseq without `fp32_pos_conv`; its sums are FP32.
final class BlockPositionalConvolution: PositionalConvolution {
    override func callAsFunction(_ input: Tensor, _ layout: RaggedLayout) throws -> Tensor {
        try input.to(dtype: convolution.bias.dtype)
            .convolvedByBlocks(
                withinSegments: layout.lengths, convolution.weight(), bias: convolution.bias, groups: convolution.groups
            )
            .to(dtype: input.dtype).gelu()
    }
}
