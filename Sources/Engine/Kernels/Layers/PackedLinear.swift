import W2VTorch

/// A linear layer with a packed weight, for inference on the CPU.
///
/// The weight must no longer change, and no gradient is recorded.
public final class PackedLinear: Linear {
    private let packed: LazilyPackedWeight<PackedWeight>

    /// Makes a layer that replaces another.
    ///
    /// - Parameter layer: A layer whose weight is FP32 in host memory; others are not supported.
    public init(_ layer: Linear, _ format: PackedWeight.Format) {
        packed = LazilyPackedWeight { [weight = layer.weight] in try PackedWeight(weight, format) }
        super.init(sharing: layer)
    }

    /// Maps [..., inputs] to [..., outputs].
    public override func callAsFunction(_ input: Tensor) throws -> Tensor { try packed.packed()(input, bias: bias) }

    /// Returns GELU of the layer's output, [..., outputs], in one pass.
    public override func withGELU(_ input: Tensor) throws -> Tensor {
        try packed.packed()(input, bias: bias, gelu: true)
    }

    /// Returns the layer's output, which includes the bias: there is none left to add a gradient to.
    public override func withUnrecordedBias(_ input: Tensor) throws -> (output: Tensor, bias: Tensor?) {
        (try self(input), nil)
    }
}
