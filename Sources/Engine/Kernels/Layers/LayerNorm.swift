import W2VTorch

/// Zero mean and unit variance of each row, scaled and shifted.
///
/// Layer normalization (Ba, Kiros and Hinton 2016).
open class LayerNorm: Module {
    /// The scale, [channels].
    @Parameter("weight") public final var weight: Tensor
    /// The shift, [channels].
    @Parameter("bias") public final var bias: Tensor
    /// The number added to the variance.
    public let epsilon: Double

    /// Makes the layer for rows of `channels` elements.
    public init(_ channels: Int, epsilon: Double = 1e-5, initializer: Initializer) throws {
        self.epsilon = epsilon
        super.init()
        weight = try initializer.constant([channels], 1)
        bias = try initializer.constant([channels], 0)
    }

    /// Makes a layer that replaces another and shares its parameters.
    public init(sharing other: LayerNorm) {
        epsilon = other.epsilon
        super.init()
        (_weight, _bias) = (other._weight, other._bias)
    }

    /// Maps [..., channels] to the same shape.
    open func callAsFunction(_ input: Tensor) throws -> Tensor {
        let norm = ResidualNorm(
            residual: input, branch: nil, mask: .none, weight: weight, bias: bias, epsilon: epsilon)
        guard let kernels = try norm.kernels else {
            return try input.layerNormalized(weight: weight, bias: bias, epsilon: epsilon)
        }
        return try kernels.recorded("LayerNorm", [input, weight, bias])[0]
    }

    /// Applies the layer to `residual` + dropout(`branch`), the end of each half of a post-norm transformer layer.
    ///
    /// The result is the same as in separate steps, computed in one pass over memory where there is a kernel for it.
    /// All shapes are [..., channels].
    /// [..., channels].
    ///
    /// - Throws: `TorchError.shape` naming both shapes when they differ.
    public final func callAsFunction(
        _ residual: Tensor, adding branch: Tensor, dropout probability: Double, _ mode: Mode
    ) throws -> Tensor {
        guard residual.shape == branch.shape else {
            throw TorchError.shape("a residual of shape \(residual.shape) cannot take a branch of \(branch.shape)")
        }
        let mask = mode.nextMask(probability)
        let norm = ResidualNorm(
            residual: residual, branch: branch, mask: mask, weight: weight, bias: bias, epsilon: epsilon)
        guard mask.probability < 1, let kernels = try norm.kernels else {
            return try self(residual + branch.dropout(mask))
        }
        return try kernels.recorded("residual LayerNorm", [residual, branch, weight, bias])[0]
    }
}
