import W2VKernels
import W2VTorch

/// A block with a packed weight, for inference on the CPU: one product with overlapping windows of rows.
///
/// The weight must no longer change, and no gradient is recorded. Where there is no normalization, GELU is applied
/// while the product is in the cache.
final class PackedBlock: ExtractorBlock {
    private let packed: LazilyPackedWeight<PackedWeight>

    /// Makes a block that replaces another.
    init(_ other: ExtractorBlock, _ format: PackedWeight.Format) {
        packed = LazilyPackedWeight { [weight = other.weight] in
            // The elements of a window are stored tap by tap.
            try PackedWeight(weight.permuted(0, 2, 1).reshaped(weight.size(0), -1), format)
        }
        super.init(sharing: other)
    }

    override func callAsFunction(_ input: ExtractorActivation, _ rows: ExtractorRows) throws -> ExtractorActivation {
        try finished(rows) { try convolved(input.to(dtype: weight.dtype).finished(), gelu: $0) }
    }

    private func convolved(_ input: Tensor, gelu: Bool) throws -> Tensor {
        let (rows, channels, kernel) = (input.size(0) / stride, input.size(1), weight.size(2))
        let whole = min(rows, input.size(0) < kernel ? 0 : (input.size(0) - kernel) / stride + 1)
        let output = try Tensor.empty([rows, weight.size(0)])
        try packed.packed().multiply(
            windowsOf: input.contiguous(), step: stride * channels, bias: bias, gelu: gelu,
            into: output.rows(0..<whole))
        // A window that would leave the signal is not a valid frame of any utterance.
        try output.rows(whole..<rows).zeroInPlace()
        return output
    }
}

/// A block with a weight packed for two outputs at a time, for inference on the CPU.
final class PackedPairedBlock: ExtractorBlock {
    private let packed: LazilyPackedWeight<PairedConvolution>

    /// Makes a block that replaces another, whose weight and stride `PairedConvolution` supports.
    override init(sharing other: ExtractorBlock) {
        packed = LazilyPackedWeight { [weight = other.weight] in try PairedConvolution(weight) }
        super.init(sharing: other)
    }

    override func callAsFunction(_ input: ExtractorActivation, _ rows: ExtractorRows) throws -> ExtractorActivation {
        let input = try input.to(dtype: weight.dtype)
        return try finished(rows) {
            try packed.packed()(input.values.contiguous(), bias: bias, geluOfInput: input.lacksGELU, gelu: $0)
        }
    }
}

extension ExtractorBlock {
    /// Computes a product, whose argument says whether to apply GELU itself; otherwise the norm and GELU follow.
    fileprivate final func finished(
        _ rows: ExtractorRows, _ product: (_ gelu: Bool) throws -> Tensor
    ) throws -> ExtractorActivation {
        guard groupNorm != nil || layerNorm != nil else { return ExtractorActivation(try product(true)) }
        return ExtractorActivation(try normalized(product(false), rows), lacksGELU: true)
    }
}
