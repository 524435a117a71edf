import W2VTorch

/// A one-dimensional grouped convolution with weight normalization (Salimans and Kingma 2016) over each kernel tap.
///
/// The weight [outputs, inputs / groups, kernel] is g · v / ‖v‖, with one norm for each of the kernel's positions, as
/// in fairseq's positional convolution.
public final class WeightNormConvolution: Module {
    /// The norms, [1, 1, kernel].
    @Parameter("weight_g") public var gain: Tensor
    /// The directions, [outputs, inputs / groups, kernel].
    @Parameter("weight_v") public var direction: Tensor
    /// [outputs].
    @Parameter("bias") public var bias: Tensor
    /// The number of groups of channels, which do not see one another.
    public let groups: Int

    /// Makes the layer with normal weights of this standard deviation.
    public init(channels: Int, kernel: Int, groups: Int, deviation: Double, initializer: Initializer) throws {
        self.groups = groups
        super.init()
        direction = try initializer.normal([channels, channels / groups, kernel], deviation: deviation)
        gain = try direction.norm(0, 1, keepingDimensions: true)
        bias = try initializer.constant([channels], 0)
    }

    /// Returns the weight itself, computed from gain and direction.
    public func weight() throws -> Tensor {
        try direction * (gain / direction.norm(0, 1, keepingDimensions: true))
    }

    /// Returns the constants that the layer reads on a device.
    public func shapeConstants(withinSegments lengths: [Int]) -> [ShapeConstant] {
        let spaced = SpacedSegments(lengths, kernel: direction.size(2))
        return [spaced.rowConstant, spaced.windowConstant]
    }

    /// Applies `Tensor.convolved(withinSegments:_:bias:groups:)` with this weight: [rows, channels] to the same shape.
    public func callAsFunction(_ input: Tensor, withinSegments lengths: [Int]) throws -> Tensor {
        try input.convolved(withinSegments: lengths, weight(), bias: bias, groups: groups)
    }
}
