import W2VKernels
import W2VTorch

/// A positional convolution with its weight folded and transformed once, for inference on the CPU, in FP32.
final class SpectralPositionalConvolution: PositionalConvolution {
    private let spectra: LazilyPackedWeight<SpectralConvolution>

    /// Makes a convolution that replaces one that no longer changes.
    override init(sharing other: PositionalConvolution) {
        spectra = LazilyPackedWeight { [convolution = other.convolution] in
            try SpectralConvolution(convolution.weight())
        }
        super.init(sharing: other)
    }

    override func callAsFunction(_ input: Tensor, _ layout: RaggedLayout) throws -> Tensor {
        try spectra.packed()(input, withinSegments: layout.lengths, bias: convolution.bias, gelu: true)
    }
}
