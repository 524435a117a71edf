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
    ///
    /// - Throws: `TorchError.shape` naming both shapes when they differ.
    public final func callAsFunction(
        _ residual: Tensor, adding branch: Tensor, dropout probability: Double, _ mode: Mode
    ) throws -> Tensor {
        try outputs(residual, Branch(branch), dropout: probability, mode, isForked: false)[0]
    }

    /// Applies the layer to `residual` + dropout(`branch`) for two readers, the next half of a transformer layer.
    ///
    /// - Throws: `TorchError.shape` naming both shapes when they differ.
    public final func callAsFunction(
        _ residual: Tensor, joining branch: Branch, dropout probability: Double, _ mode: Mode
    ) throws -> ResidualStream {
        let isForked = sumsGradients(of: residual)
        let outputs = try outputs(residual, branch, dropout: probability, mode, isForked: isForked)
        return ResidualStream(residual: outputs[0], branch: outputs[isForked ? 1 : 0])
    }

    /// Returns whether the layer's backward pass adds gradients up on the way: those of its output's readers, and a
    /// branch's for the bias at its end.
    public final func sumsGradients(of residual: Tensor) -> Bool {
        isGradientEnabled
            && ResidualNorm(residual: residual, branch: nil, mask: .none, weight: weight, bias: bias, epsilon: epsilon)
                .supportsGPU
    }

    private func outputs(
        _ residual: Tensor, _ branch: Branch, dropout probability: Double, _ mode: Mode, isForked: Bool
    ) throws -> [Tensor] {
        guard residual.shape == branch.values.shape else {
            throw TorchError.shape(
                "a residual of shape \(residual.shape) cannot take a branch of \(branch.values.shape)")
        }
        let mask = mode.nextMask(probability)
        var norm = ResidualNorm(
            residual: residual, branch: branch.values, mask: mask, weight: weight, bias: bias, epsilon: epsilon)
        (norm.branchBias, norm.isForked) = (branch.bias, isForked)
        guard mask.probability < 1, let kernels = try norm.kernels else {
            let output = try self(residual + branch.recorded().dropout(mask))
            return [output, output]
        }
        let operands = [residual, branch.values, weight, bias] + (branch.bias.map { [$0] } ?? [])
        return try kernels.recorded("residual LayerNorm", operands)
    }
}
