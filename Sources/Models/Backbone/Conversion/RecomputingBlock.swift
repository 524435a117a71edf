import W2VKernels
import W2VTorch

/// A block for training that keeps only one of GELU's two tensors, input and output, for the backward pass, unless
/// memory is plentiful (``KeptActivations``).
///
/// The convolution applies the GELU that the previous block has deferred, and defers its own to the next block.
class RecomputingBlock: ExtractorBlock {
    override func callAsFunction(_ input: ExtractorActivation, _ rows: ExtractorRows) throws -> ExtractorActivation {
        let convolved = try convolved(input.to(dtype: weight.dtype), keepsGELU: rows.kept.contains(.extractor))
        return ExtractorActivation(try normalized(convolved, rows), lacksGELU: true)
    }

    /// Returns the convolution of the input's GELU.
    func convolved(_ input: ExtractorActivation, keepsGELU: Bool) throws -> Tensor {
        try stridedConvolution(
            input.values, weight, bias, stride: stride, geluOfInput: input.lacksGELU, keepsGELU: keepsGELU,
            recompute: input.recompute)
    }
}

/// The same with two outputs at a time, from five products instead of six.
final class PairedBlock: RecomputingBlock {
    override func convolved(_ input: ExtractorActivation, keepsGELU: Bool) throws -> Tensor {
        guard PairedConvolution.supports(weight, stride: stride), input.values.fitsHostKernels else {
            return try super.convolved(input, keepsGELU: keepsGELU)
        }
        return try input.values.convolvedInPairs(
            weight, bias, geluOfInput: input.lacksGELU, recompute: input.recompute)
    }
}
