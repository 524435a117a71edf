import W2VTorch

/// Normalizes each channel of each utterance over its valid frames: GroupNorm with one group a channel (Wu and He 2018).
///
/// Statistics never see rows that straddle two utterances, so a result does not depend on batch mates.
class RaggedGroupNorm: Module {
    @Parameter("weight") final var weight: Tensor
    @Parameter("bias") final var bias: Tensor
    final let epsilon = 1e-5

    init(_ channels: Int, initializer: Initializer) throws {
        super.init()
        weight = try initializer.constant([channels], 1)
        bias = try initializer.constant([channels], 0)
    }

    /// Makes a layer that takes another's place.
    init(sharing other: RaggedGroupNorm) {
        super.init()
        (_weight, _bias) = (other._weight, other._bias)
    }

    /// Normalizes [rows, channels].
    ///
    /// - Parameters:
    ///   - input: All utterances' rows, the straddling ones included.
    ///   - layout: Where each utterance's rows lie.
    ///   - valid: How many of each utterance's rows are valid frames.
    /// - Returns: The same shape; straddling rows hold numbers without meaning.
    func callAsFunction(_ input: Tensor, _ layout: RaggedLayout, valid: [Int]) throws -> Tensor {
        try normalized(input, weight: weight, bias: bias, layout, valid: valid)
    }

    final func normalized(
        _ input: Tensor, weight: Tensor, bias: Tensor, _ layout: RaggedLayout, valid: [Int]
    ) throws -> Tensor {
        let epsilon = epsilon
        // Statistics of half-precision rows are FP32; what they are combined with is then computed in FP32 and rounded.
        let exact = input.dtype.isHalfPrecision ? DType.float32 : input.dtype
        return try differentiable("ragged group norm", [input, weight, bias]) {
            let output = try input.emptyLike()
            var statistics: [(mean: Tensor, deviation: Tensor)] = []
            for utterance in 0..<layout.count {
                let rows = layout.rows(utterance)
                let frames = try input.rows(rows.lowerBound..<rows.lowerBound + valid[utterance])
                let (variance, mean) = try frames.to(dtype: exact).varianceAndMean(0)
                let inverse = try (variance + epsilon).reciprocalSquareRoot()
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
                        // d/dx of the normalization: subtract what mean and variance take up.
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
