import W2VTorch

/// GELU, dropout and a linear layer in sequence, which keep only the first input and recompute the second, or keep both.
struct GELUDropoutLinear: FusedOperation {
    let input: Tensor
    let mask: DropoutMask
    /// [outputs, inputs].
    let weight: Tensor
    /// [outputs], or none.
    let bias: Tensor?
    /// The bias that was added to the input last, [inputs]; its gradient comes with the input's.
    let ownBias: Tensor?
    /// Whether the linear layer's input is kept for the backward pass.
    var keepsActivation = false

    var onHost: BothPasses? {
        guard input.fitsElementwiseHostKernels(with: [weight]) else { return nil }
        return activation.onHost.map(passes)
    }

    var onDevice: BothPasses? {
        guard input.fitsDeviceKernels(with: [weight]) else { return nil }
        return activation.onDevice.map(passes)
    }

    private var activation: GELUDropout { GELUDropout(input: input, mask: mask) }

    private func passes(_ activation: GELUDropout.Passes) -> BothPasses {
        let kept = Kept()
        return BothPasses(
            forward: {
                let activated = try activation.forward()
                if keepsActivation { kept.activation = activated }
                return [try activated.linear(weight, bias: bias)]
            },
            backward: { gradients, needed in
                guard let gradient = gradients[0] else { return needed.map { _ in nil } }
                let rows = try gradient.reshaped(-1, weight.size(0))
                var (results, own): ([Tensor?], Tensor?) = ([nil, nil], nil)
                if needed[1] {
                    results[1] = try rows.transposed().matmul(
                        (kept.activation ?? activation.forward()).viewed(-1, weight.size(1)))
                }
                if needed[0] {
                    let incoming = try rows.matmul(weight).viewed(input.shape)
                    own = try activation.backward(incoming, ownBias != nil)
                    results[0] = incoming
                }
                if bias != nil { results.append(needed[2] ? try rows.sum(0) : nil) }
                return ownBias == nil ? results : results + [own]
            })
    }
}

/// The linear layer's input, from the forward pass to the backward pass.
private final class Kept {
    var activation: Tensor?
}

extension Tensor {
    /// Applies ``gelu()``, ``dropout(_:_:)`` and ``linear(_:bias:)`` in sequence.
    ///
    /// If there is a kernel for it, the product's input is recomputed in the backward pass instead of being kept, unless
    /// `keepsActivation` asks for it.
    ///
    /// - Parameters:
    ///   - probability: The share of the activations that is dropped.
    ///   - weight: [outputs, inputs].
    ///   - bias: [outputs], or none.
    ///   - ownBias: The bias that was added to this tensor's rows last, unrecorded: [inputs]; its gradient comes with
    ///     this tensor's. None otherwise.
    /// - Returns: [..., outputs].
    /// - Throws: `TorchError.operation` for sizes that do not match.
    public func geluDropoutLinear(
        _ probability: Double, _ mode: Module.Mode, weight: Tensor, bias: Tensor?, ownBias: Tensor? = nil,
        keepsActivation: Bool = false
    ) throws -> Tensor {
        let mask = mode.nextMask(probability)
        let operation = GELUDropoutLinear(
            input: self, mask: mask, weight: weight, bias: bias, ownBias: ownBias, keepsActivation: keepsActivation)
        guard mask.probability < 1, let kernels = try operation.kernels else {
            let recorded = try ownBias.map { try self - $0.detached() + $0 } ?? self
            return try recorded.gelu().dropout(mask).linear(weight, bias: bias)
        }
        let biases = [bias, ownBias].compactMap { $0 }
        return try kernels.recorded("GELU, dropout and linear", [self, weight] + biases)[0]
    }
}
