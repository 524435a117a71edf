import Torch

/// x · weightᵀ + bias.
open class Linear: Module {
    /// [outputs, inputs].
    @Parameter("weight") public final var weight: Tensor
    /// [outputs].
    @Parameter("bias") public final var bias: Tensor?

    /// How a linear layer's weight starts.
    public enum Start: Sendable {
        /// PyTorch's own: uniform weight and bias.
        case standard
        /// Normal weight of the given deviation, zero bias (BERT's, with 0.02).
        case normal(Double)
        /// Glorot's uniform weight, zero bias.
        case xavier
    }

    /// Makes the layer.
    ///
    /// - Parameters:
    ///   - inputs: Input channels.
    ///   - outputs: Output channels.
    ///   - bias: Whether a bias is added.
    ///   - start: How the weight starts.
    ///   - initializer: Where the numbers come from.
    /// - Throws: `TorchError.operation` if LibTorch cannot make the tensors.
    public init(
        _ inputs: Int, _ outputs: Int, bias: Bool = true, start: Start = .standard, initializer: Initializer
    ) throws {
        super.init()
        let shape = [outputs, inputs]
        switch start {
        case .standard: weight = try initializer.linearDefault(shape, inputs: inputs)
        case .normal(let deviation): weight = try initializer.normal(shape, deviation: deviation)
        case .xavier: weight = try initializer.xavierUniform(shape)
        }
        guard bias else {
            self.bias = nil
            return
        }
        if case .standard = start {
            self.bias = try initializer.linearDefault([outputs], inputs: inputs)
        } else {
            self.bias = try initializer.constant([outputs], 0)
        }
    }

    /// Makes a layer that takes another's place: the parameters are the same ones, whichever layer changes them.
    public init(sharing other: Linear) {
        super.init()
        (_weight, _bias) = (other._weight, other._bias)
    }

    /// From [..., inputs] to [..., outputs].
    open func callAsFunction(_ input: Tensor) throws -> Tensor { try input.linear(weight, bias: bias) }

    /// GELU of the layer's output, [..., outputs]; a converted layer applies it before the output leaves the cache.
    open func withGELU(_ input: Tensor) throws -> Tensor { try self(input).gelu() }

    /// The layer's output, with a bias that gets no gradient from it.
    ///
    /// - Parameter input: [..., inputs].
    /// - Returns: [..., outputs], and the bias. The caller must add its gradient, the sum over all rows.
    /// - Throws: `TorchError.operation` for sizes that do not go together.
    open func withUnrecordedBias(_ input: Tensor) throws -> (output: Tensor, bias: Tensor?) {
        guard let bias else { return (try self(input), nil) }
        return (try input.linear(weight, bias: bias.detached()), bias)
    }

    /// Another layer, then ``Tensor/geluDropoutLinear(_:_:weight:bias:ownBias:)`` with this layer's weight and bias.
    public final func callAsFunction(
        geluOf first: Linear, _ input: Tensor, dropout: Double, _ mode: Mode
    ) throws -> Tensor {
        guard input.fitsKernels(with: first.weight, weight, first.bias) else {
            return try first(input).geluDropoutLinear(dropout, mode, weight: weight, bias: bias)
        }
        let (hidden, ownBias) = try first.withUnrecordedBias(input)
        return try hidden.geluDropoutLinear(dropout, mode, weight: weight, bias: bias, ownBias: ownBias)
    }
}

/// Zero mean and unit variance of each row, scaled and shifted.
///
/// Layer normalisation (Ba, Kiros and Hinton 2016).
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

    /// Makes a layer that takes another's place: the parameters are the same ones, whichever layer changes them.
    public init(sharing other: LayerNorm) {
        epsilon = other.epsilon
        super.init()
        (_weight, _bias) = (other._weight, other._bias)
    }

    /// From [..., channels] to the same shape.
    open func callAsFunction(_ input: Tensor) throws -> Tensor {
        if input.size(-1) == weight.count, input.fitsHostKernels, weight.fitsHostKernels, bias.fitsHostKernels {
            return try input.fusedNorm(weight: weight, bias: bias, epsilon: epsilon)
        }
        return try input.layerNormalized(weight: weight, bias: bias, epsilon: epsilon)
    }

    /// The layer applied to `residual` + dropout(`branch`), the end of each half of a post-norm transformer layer.
    ///
    /// The same numbers as in steps; in one pass over memory where there is a kernel for it. All shapes are
    /// [..., channels].
    ///
    /// - Throws: `TorchError.shape` naming both shapes when they differ.
    public final func callAsFunction(
        _ residual: Tensor, adding branch: Tensor, dropout probability: Double, _ mode: Mode
    ) throws -> Tensor {
        guard residual.shape == branch.shape else {
            throw TorchError.shape("a residual of shape \(residual.shape) cannot take a branch of \(branch.shape)")
        }
        let rate = mode.isTraining ? max(0, probability) : 0
        guard rate < 1, residual.size(-1) == weight.count, residual.fitsKernels(with: branch, weight, bias),
            !residual.fitsDeviceKernels || Tensor.fitsResidualNormKernel(columns: weight.count)
        else { return try self(residual + branch.dropout(probability, mode)) }
        let mask = rate > 0 ? mode.nextDropoutSeed().map { DropoutMask($0, rate) } : nil
        return try residual.fusedResidualNorm(
            adding: branch, mask ?? .none, weight: weight, bias: bias, epsilon: epsilon)
    }
}
