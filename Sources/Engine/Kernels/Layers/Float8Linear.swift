import W2VTorch

/// A linear layer with a weight rounded to 8-bit floating point, for inference.
///
/// The weight must no longer change, and no gradient is recorded.
public final class Float8Linear: Linear {
    private let rounded: Float8Weight

    /// Makes a layer that replaces another.
    ///
    /// - Parameter layer: A layer whose sizes ``Float8Weight/supports(_:)``.
    /// - Throws: `TorchError.shape` for other sizes.
    public init(_ layer: Linear) throws {
        rounded = try Float8Weight(layer.weight)
        super.init(sharing: layer)
    }

    /// Returns whether products can be part of recorded work (`WorkRecorder`) on a device; false for GPUs that cannot
    /// capture them in a CUDA graph.
    public func canBeRecorded(on device: Device) -> Bool { Float8Weight.canBeRecorded(on: device) }

    /// Maps [..., inputs] to [..., outputs].
    public override func callAsFunction(_ input: Tensor) throws -> Tensor { try rounded(input, bias: bias) }

    /// Returns GELU of the layer's output, [..., outputs].
    public override func withGELU(_ input: Tensor) throws -> Tensor { try rounded(input, bias: bias, gelu: true) }

    /// Returns the layer's output, which includes the bias: there is none left to add a gradient to.
    public override func withUnrecordedBias(_ input: Tensor) throws -> (output: Tensor, bias: Tensor?) {
        (try self(input), nil)
    }
}
