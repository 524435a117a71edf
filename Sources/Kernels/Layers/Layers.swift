import Torch

/// x · weightᵀ + bias.
public final class Linear: Module {
    /// [outputs, inputs].
    @Parameter("weight") public var weight: Tensor
    /// [outputs].
    @Parameter("bias") public var bias: Tensor?
    private var fixed: FixedWeight<PackedWeight>?
    private var rounded: Float8Weight?

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

    /// From [..., inputs] to [..., outputs], with GELU where it is asked for.
    public func callAsFunction(_ input: Tensor, gelu: Bool = false) throws -> Tensor {
        if let fixed { return try fixed.packed()(input, bias: bias, gelu: gelu) }
        if let rounded { return try rounded(input, bias: bias, gelu: gelu) }
        let output = try input.linear(weight, bias: bias)
        return gelu ? try output.gelu() : output
    }

    /// What ``callAsFunction(_:gelu:)`` gives, with a bias that gets no gradient from it.
    ///
    /// - Parameter input: [..., inputs].
    /// - Returns: [..., outputs], and the bias: whoever takes both has to see to its gradient, the sum of all rows'.
    /// - Throws: `TorchError.operation` for sizes that do not go together.
    public func withUnrecordedBias(_ input: Tensor) throws -> (output: Tensor, bias: Tensor?) {
        guard fixed == nil, rounded == nil, let bias else { return (try self(input), nil) }
        return (try input.linear(weight, bias: bias.detached()), bias)
    }

    /// Another layer, then ``Tensor/geluDropoutLinear(_:_:weight:bias:ownBias:)`` with this layer's weight and bias.
    public func callAsFunction(geluOf first: Linear, _ input: Tensor, dropout: Double, _ mode: Mode) throws -> Tensor {
        guard input.fitsKernels(with: first.weight, weight, first.bias) else {
            return try first(input).geluDropoutLinear(dropout, mode, weight: weight, bias: bias)
        }
        let (hidden, ownBias) = try first.withUnrecordedBias(input)
        return try hidden.geluDropoutLinear(dropout, mode, weight: weight, bias: bias, ownBias: ownBias)
    }

    /// Has the weight packed, for inference on the CPU: it must not change from here on, and no gradient is recorded.
    ///
    /// - Parameter format: The numbers to multiply. A weight that is not FP32 in host memory cannot be multiplied.
    public func pack(_ format: PackedWeight.Format) {
        fixed = FixedWeight { [weight] in try PackedWeight(weight, format) }
    }

    /// Whether products can be part of recorded work (``WorkRecorder``) on a device.
    ///
    /// - Parameter device: Where the layer is.
    /// - Returns: No only for 8-bit floating point on some GPUs.
    public func canBeRecorded(on device: Device) -> Bool { rounded == nil || Float8Weight.canBeRecorded(on: device) }

    /// Has the weight rounded to 8-bit floating point, for inference: it must not change from here on.
    ///
    /// No gradient is recorded. A weight that ``Float8Weight`` does not take stays as it is.
    ///
    /// - Throws: `TorchError.operation` if LibTorch refuses, as when memory runs out.
    public func roundToFloat8() throws {
        if Float8Weight.takes(weight) { rounded = try Float8Weight(weight) }
    }
}

/// Zero mean and unit variance of each row, scaled and shifted.
///
/// Layer normalisation (Ba, Kiros and Hinton 2016).
public final class LayerNorm: Module {
    /// The scale, [channels].
    @Parameter("weight") public var weight: Tensor
    /// The shift, [channels].
    @Parameter("bias") public var bias: Tensor
    /// Whether half-precision input is normalised in single precision (fairseq's `Fp32LayerNorm`).
    public var computesInFP32 = false
    private let epsilon: Double

    /// Makes the layer for rows of `channels` elements.
    public init(_ channels: Int, epsilon: Double = 1e-5, initializer: Initializer) throws {
        self.epsilon = epsilon
        super.init()
        weight = try initializer.constant([channels], 1)
        bias = try initializer.constant([channels], 0)
    }

    /// From [..., channels] to the same shape.
    public func callAsFunction(_ input: Tensor) throws -> Tensor {
        if input.size(-1) == weight.count, input.fitsHostKernels, weight.fitsHostKernels, bias.fitsHostKernels {
            return try input.fusedNorm(weight: weight, bias: bias, epsilon: epsilon)
        }
        // On GPUs LibTorch's own normalisation of half-precision rows computes in FP32 throughout.
        guard computesInFP32, input.dtype.isHalfPrecision, input.device == .cpu else {
            return try input.layerNormalized(weight: weight, bias: bias, epsilon: epsilon)
        }
        return try input.to(dtype: .float32)
            .layerNormalized(
                weight: weight.to(dtype: .float32), bias: bias.to(dtype: .float32), epsilon: epsilon
            )
            .to(dtype: input.dtype)
    }

    /// The layer applied to `residual` + dropout(`branch`), the end of each half of a post-norm transformer layer.
    ///
    /// The same numbers as in steps; in one pass over memory where there is a kernel for it. All shapes are
    /// [..., channels].
    ///
    /// - Throws: `TorchError.shape` naming both shapes when they differ.
    public func callAsFunction(
        _ residual: Tensor, adding branch: Tensor, dropout probability: Double, _ mode: Mode
    ) throws -> Tensor {
        guard residual.shape == branch.shape else {
            throw TorchError.shape("a residual of shape \(residual.shape) cannot take a branch of \(branch.shape)")
        }
        let mask = mode.nextMask(probability)
        let norm = ResidualNorm(
            residual: residual, branch: branch, mask: mask, weight: weight, bias: bias, epsilon: epsilon)
        guard mask.probability < 1, residual.size(-1) == weight.count, let kernels = try norm.kernels else {
            return try self(residual + branch.dropout(mask))
        }
        return try kernels.recorded("residual LayerNorm", [residual, branch, weight, bias])[0]
    }
}

/// A table of vectors, looked up by index.
public final class Embedding: Module {
    /// The vectors, [count, channels].
    @Parameter("weight") public var weight: Tensor

    /// Makes a table of `count` normal vectors.
    public init(count: Int, channels: Int, initializer: Initializer) throws {
        super.init()
        weight = try initializer.normal([count, channels], deviation: 1)
    }

    /// The rows at int64 indices of any shape.
    public func callAsFunction(_ indices: Tensor) throws -> Tensor {
        try weight.embedding(indices)
    }
}
