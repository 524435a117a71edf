import W2VTorch

/// Normalizes each channel of each utterance over its N valid frames: GroupNorm with one group per channel (Wu and He 2018).
///
///     x̂ = (x − mean) / √(variance + ε)        y = γ x̂ + β
///     dx = γ / √(variance + ε) · (g − Σ g / N − x̂ Σ g x̂ / N)        dγ = Σ g x̂        dβ = Σ g
///
/// Statistics exclude rows that straddle two utterances, so a result does not depend on the rest of the batch.
class RaggedGroupNorm: Module {
    @Parameter("weight") final var weight: Tensor
    @Parameter("bias") final var bias: Tensor
    final let epsilon = 1e-5

    init(_ channels: Int, initializer: Initializer) throws {
        super.init()
        weight = try initializer.constant([channels], 1)
        bias = try initializer.constant([channels], 0)
    }

    /// Makes a layer that replaces another.
    init(sharing other: RaggedGroupNorm) {
        super.init()
        (_weight, _bias) = (other._weight, other._bias)
    }

    /// Normalizes [rows, channels].
    ///
    /// - Parameters:
    ///   - input: All utterances' rows, including straddling ones.
    ///   - layout: The layout of the utterances' rows.
    ///   - valid: The number of each utterance's rows that are valid frames.
    /// - Returns: The same shape; straddling rows are meaningless.
    func callAsFunction(_ input: Tensor, _ layout: RaggedLayout, valid: [Int]) throws -> Tensor {
        try normalized(input, weight: weight, bias: bias, layout, valid: valid)
    }

    final func normalized(
        _ input: Tensor, weight: Tensor, bias: Tensor, _ layout: RaggedLayout, valid: [Int]
    ) throws -> Tensor {
        let epsilon = epsilon
        // Statistics of half-precision rows are FP32; results that combine both are computed in FP32 and rounded.
        let exact = input.dtype.isHalfPrecision ? DType.float32 : input.dtype
        return try differentiable("ragged group norm", [input, weight, bias]) {
            let output = try input.emptyLike()
            var statistics: [(mean: Tensor, deviation: Tensor)] = []
            for utterance in 0..<layout.count {
                let rows = layout.rows(utterance)
                let frames = try input.rows(rows.lowerBound..<rows.lowerBound + valid[utterance])
                let (variance, mean) = try frames.to(dtype: exact).varianceAndMean(0)
                let inverse = try (variance + epsilon).reciprocalSquareRoot()
                // y = x · scale + (β − mean · scale) with scale = γ / √(variance + ε).
                let scale = try inverse * weight
                let target = try output.rows(rows)
                try target.copy(from: input.rows(rows))
                try target.multiplyInPlace(scale)
                try target.addInPlace(bias - mean * scale)
                statistics.append((mean, inverse))
            }
            return (
                [output],
                { gradients, needed in
                    guard let gradient = gradients[0] else { return [nil, nil, nil] }
                    let weightGradient = try Tensor.zeros(weight.shape, dtype: exact, device: weight.device)
                    let biasGradient = try weightGradient.zerosLike()
                    let inputGradient = needed[0] ? try input.zerosLike() : nil
                    for utterance in 0..<layout.count {
                        let start = layout.offsets[utterance]
                        let rows = start..<start + valid[utterance]
                        let (mean, inverse) = statistics[utterance]
                        let incoming = try gradient.rows(rows).to(dtype: exact)
                        let normalized = try (input.rows(rows) - mean) * inverse
                        let sum = try incoming.sum(0)
                        let product = try (incoming * normalized).sum(0)
                        try weightGradient.addInPlace(product)
                        try biasGradient.addInPlace(sum)
                        guard let inputGradient else { continue }
                        let frames = Double(valid[utterance])
                        // dx in the memory of x̂, term by term.
                        try normalized.multiplyInPlace(product / -frames)
                        try normalized.addInPlace(incoming)
                        try normalized.addInPlace(sum / -frames)
                        try normalized.multiplyInPlace(inverse * weight)
                        try inputGradient.rows(rows).copy(from: normalized)
                    }
                    return [inputGradient, weightGradient, biasGradient]
                }
            )
        }[0]
    }
}
