import W2VTorch

/// A linear layer with a packed weight, for inference on the CPU.
///
/// The weight must not change any more, and no gradient is recorded.
public final class PackedLinear: Linear {
    private let packed: LazilyPackedWeight<PackedWeight>

    /// Makes a layer that takes another's place.
    ///
    /// - Parameter layer: A layer whose weight is FP32 in host memory; another one cannot be multiplied.
    public init(_ layer: Linear, _ format: PackedWeight.Format) {
        packed = LazilyPackedWeight { [weight = layer.weight] in try PackedWeight(weight, format) }
        super.init(sharing: layer)
    }

    /// From [..., inputs] to [..., outputs].
    public override func callAsFunction(_ input: Tensor) throws -> Tensor { try packed.packed()(input, bias: bias) }

    /// GELU of the layer's output, [..., outputs], in one pass.
    public override func withGELU(_ input: Tensor) throws -> Tensor {
        try packed.packed()(input, bias: bias, gelu: true)
    }

    /// The layer's output, without a bias to add a gradient to.
    public override func withUnrecordedBias(_ input: Tensor) throws -> (output: Tensor, bias: Tensor?) {
        (try self(input), nil)
    }
}
