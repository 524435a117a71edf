import W2VTorch

/// A linear layer, x · weightᵀ + bias.
open class Linear: Module {
    /// [outputs, inputs].
    @Parameter("weight") public final var weight: Tensor
    /// [outputs].
    @Parameter("bias") public final var bias: Tensor?

    /// The initialization of a linear layer's weight.
    public enum Start: Sendable {
        /// PyTorch's own: uniform weight and bias.
        case standard
        /// Normal weight of the given deviation, zero bias (BERT's, with 0.02).
        case normal(Double)
        /// Glorot's uniform weight, zero bias.
        case xavier
    }

    /// Makes the layer.
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

    /// Makes a layer that replaces another and shares its parameters.
    public init(sharing other: Linear) {
        super.init()
        (_weight, _bias) = (other._weight, other._bias)
    }

    /// Maps [..., inputs] to [..., outputs].
    open func callAsFunction(_ input: Tensor) throws -> Tensor { try input.linear(weight, bias: bias) }

    /// Returns GELU of the layer's output, [..., outputs]; a converted layer applies it while the output is in the
    /// cache.
    open func withGELU(_ input: Tensor) throws -> Tensor { try self(input).gelu() }

    /// Returns the layer's output, with a bias that gets no gradient from it.
    ///
    /// - Parameter input: [..., inputs].
    /// - Returns: [..., outputs], and the bias. The caller must add its gradient, the sum over all rows.
    /// - Throws: `TorchError.operation` for sizes that do not match.
    open func withUnrecordedBias(_ input: Tensor) throws -> (output: Tensor, bias: Tensor?) {
        guard let bias else { return (try self(input), nil) }
        return (try input.linear(weight, bias: bias.detached()), bias)
    }

    /// Applies another layer, then `Tensor.geluDropoutLinear` with this layer's weight and bias.
    ///
    /// - Parameters:
    ///   - recordsBias: Whether the bias gets its gradient from the result.
    ///   - keepsActivation: Whether this layer's input is kept for the backward pass instead of being recomputed.
    /// - Throws: `TorchError.operation` for sizes that do not match.
    public final func callAsFunction(
        geluOf first: Linear, _ input: Tensor, dropout: Double, _ mode: Mode, recordsBias: Bool = true,
        keepsActivation: Bool = false
    ) throws -> Tensor {
        let bias = try recordsBias ? bias : bias?.detached()
        guard input.fitsKernels(with: first.weight, weight, first.bias) else {
            return try first(input).geluDropoutLinear(dropout, mode, weight: weight, bias: bias)
        }
        let (hidden, ownBias) = try first.withUnrecordedBias(input)
        return try hidden.geluDropoutLinear(
            dropout, mode, weight: weight, bias: bias, ownBias: ownBias, keepsActivation: keepsActivation)
    }
}
