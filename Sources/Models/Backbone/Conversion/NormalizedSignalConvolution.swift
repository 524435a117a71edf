import W2VKernels
import W2VTorch

/// Computes the first layer of the group-norm extractor in one pass each way: convolution, normalization, GELU.
///
/// The layer has one input channel, so its output's statistics follow from the moments of the windows: with m and C the
/// mean and covariance of a window x, channel c with the weight w has
///
///     mean = w · m        variance = wᵀ C w        y = GELU(γ (w · x − mean) / √(variance + ε) + β)
///
/// The normalization thus folds into weight and shift, and only the output is written. The backward pass recomputes the
/// convolution and needs two sums over the rows, Σ g and Σ g x, with g the gradient before GELU; everything else is
/// arithmetic on [kernel, channels] numbers in FP64.
///
/// - Parameters:
///   - signal: All samples, [rows · stride, 1]; FP32 in host memory.
///   - weight: [channels, 1, kernel].
///   - gain: The normalization's weight, [channels].
///   - bias: The normalization's bias, [channels].
///   - stride: Samples from one window to the next.
///   - layout: The output rows of each utterance, including straddling ones.
///   - valid: The number of them that are frames.
/// - Returns: [rows, channels], and a closure that recomputes the same numbers, so that they need not be kept.
/// - Throws: `TorchError` if no kernel supports the signal, or it is too short for the rows.
func normalizedSignalConvolution(
    _ signal: Tensor, _ weight: Tensor, gain: Tensor, bias: Tensor, stride: Int, _ layout: RaggedLayout, valid: [Int],
    epsilon: Double
) throws -> (output: Tensor, recompute: () throws -> Tensor) {
    if NormalizedSignalKernels.supports(weight: weight, gain: gain, bias: bias, stride: stride) {
        let (output, recompute) = try NormalizedSignalKernels(
            signal.to(dtype: .float32), weight: weight, gain: gain, bias: bias, stride: stride,
            utterances: layout.kernelRows(valid: valid)
        )(epsilon: epsilon)
        return (output, recompute)
    }
    let (channels, kernel) = (weight.size(0), weight.size(2))
    let taps = try weight.elementsForHost(Double.self)
    let gains = try gain.elementsForHost(Double.self)
    let parts = try normalizedWindows(
        signal, weight, gain: gain, bias: bias, stride: stride, layout, valid: valid, epsilon: epsilon)
    func convolve() throws -> Tensor {
        let output = try Tensor.empty([layout.total, channels], dtype: weight.dtype)
        for (utterance, part) in parts.enumerated() {
            try SignalKernels.convolve(
                part.windows, weight: part.weight, shift: part.shift, into: output.rows(layout.rows(utterance)))
        }
        return output
    }
    let output = try differentiable("normalized signal convolution", [weight, gain, bias]) {
        (
            [try convolve()],
            { gradients, _ in
                guard let gradient = try gradients[0]?.contiguous() else { return [nil, nil, nil] }
                var weightGradient = [Double](repeating: 0, count: channels * kernel)
                var gainGradient = [Double](repeating: 0, count: channels)
                var biasGradient = [Double](repeating: 0, count: channels)
                for (utterance, part) in parts.enumerated() {
                    let start = layout.offsets[utterance]
                    try part.addGradients(
                        gradient.rows(start..<start + part.count), taps: taps, gains: gains, weight: &weightGradient,
                        gain: &gainGradient, bias: &biasGradient)
                }
                return [
                    try Tensor(weightGradient, shape: [channels, 1, kernel]).to(dtype: weight.dtype),
                    try Tensor(gainGradient).to(dtype: gain.dtype), try Tensor(biasGradient).to(dtype: bias.dtype),
                ]
            }
        )
    }[0]
    return (output, convolve)
}

extension RaggedLayout {
    /// Returns the utterances' rows for the kernels.
    ///
    /// - Parameter valid: The number of rows of each that are frames.
    func kernelRows(valid: [Int]) -> [NormalizedSignalKernels.Rows] {
        lengths.indices.map { (offsets[$0], lengths[$0], valid[$0]) }
    }
}

/// Whole utterances, whose statistics are used when only parts of them are convolved.
struct SignalSource {
    /// All their samples, [rows · stride, 1].
    let samples: Tensor
    /// The output rows that each of them would have, including straddling ones.
    let layout: RaggedLayout
    /// The number of those that are frames.
    let valid: [Int]
    /// The utterance of each part.
    let owners: [Int]
}

/// Computes the layer for parts of utterances, without gradients.
///
/// - Parameters:
///   - signal: The parts' samples, [rows · stride, 1].
///   - layout: The output rows of each part, including straddling ones.
///   - source: The whole utterances.
///   - weight: [channels, 1, kernel].
///   - gain: The normalization's weight, [channels].
///   - bias: The normalization's bias, [channels].
///   - stride: Samples from one window to the next.
/// - Returns: [rows, channels].
/// - Throws: `TorchError` if no kernel supports the signal, or it is too short for the rows.
func normalizedSignalConvolution(
    parts signal: Tensor, _ layout: RaggedLayout, of source: SignalSource, _ weight: Tensor, gain: Tensor, bias: Tensor,
    stride: Int, epsilon: Double
) throws -> Tensor {
    if NormalizedSignalKernels.supports(weight: weight, gain: gain, bias: bias, stride: stride) {
        let kernels = try NormalizedSignalKernels(
            source.samples.to(dtype: .float32), weight: weight, gain: gain, bias: bias, stride: stride,
            utterances: source.layout.kernelRows(valid: source.valid))
        let parts = layout.lengths.indices.map { (layout.offsets[$0], layout.lengths[$0], source.owners[$0]) }
        return try kernels.convolving(signal.to(dtype: .float32), parts: parts, epsilon: epsilon)
    }
    let normalizations = try normalizedWindows(
        source.samples, weight, gain: gain, bias: bias, stride: stride, source.layout, valid: source.valid,
        epsilon: epsilon)
    let output = try Tensor.empty([layout.total, weight.size(0)], dtype: weight.dtype)
    for (part, owner) in source.owners.enumerated() {
        let windows = SignalKernels.Windows(
            signal, from: layout.offsets[part] * stride, kernel: weight.size(2), stride: stride)
        try SignalKernels.convolve(
            windows, weight: normalizations[owner].weight, shift: normalizations[owner].shift,
            into: output.rows(layout.rows(part)))
    }
    return output
}

/// Returns each utterance's windows with the normalization of their convolution.
private func normalizedWindows(
    _ signal: Tensor, _ weight: Tensor, gain: Tensor, bias: Tensor, stride: Int, _ layout: RaggedLayout, valid: [Int],
    epsilon: Double
) throws -> [NormalizedWindows] {
    let taps = try weight.elementsForHost(Double.self)
    let (gains, shifts) = try (gain.elementsForHost(Double.self), bias.elementsForHost(Double.self))
    return try (0..<layout.count).map { utterance in
        let windows = SignalKernels.Windows(
            signal, from: layout.offsets[utterance] * stride, kernel: weight.size(2), stride: stride)
        return try NormalizedWindows(
            windows, count: valid[utterance], taps: taps, gains: gains, shifts: shifts, epsilon: epsilon)
    }
}

/// One utterance's windows with the normalization of their convolution.
private struct NormalizedWindows {
    let windows: SignalKernels.Windows
    let count: Int
    /// Σ x[k] and Σ x[j] x[k] over the utterance's frames.
    let first: [Double]
    let second: [Double]
    /// mean and 1 / √(variance + ε) of each channel.
    let means: [Double]
    let inverses: [Double]
    /// The folded weight, [kernel · channels], and shift.
    let weight: [Float]
    let shift: [Float]

    init(
        _ windows: SignalKernels.Windows, count: Int, taps: [Double], gains: [Double], shifts: [Double],
        epsilon: Double
    ) throws {
        self.windows = windows
        self.count = count
        (first, second) = try SignalKernels.moments(windows, count: count)
        let channels = gains.count
        let kernel = first.count
        let frames = Double(count)
        // C[j, k] = E[x[j] x[k]] − m[j] m[k].
        var covariance = second
        for j in 0..<kernel {
            for k in 0..<kernel {
                covariance[j * kernel + k] = second[j * kernel + k] / frames - first[j] / frames * (first[k] / frames)
            }
        }
        var means = [Double](repeating: 0, count: channels)
        var inverses = means
        var weight = [Float](repeating: 0, count: kernel * channels)
        var shift = [Float](repeating: 0, count: channels)
        for channel in 0..<channels {
            // mean = w · m and variance = wᵀ C w.
            let own = taps[channel * kernel..<(channel + 1) * kernel]
            var mean = 0.0
            var variance = 0.0
            for (j, left) in own.enumerated() {
                mean += left * first[j] / frames
                var sum = 0.0
                for (k, right) in own.enumerated() { sum += covariance[j * kernel + k] * right }
                variance += left * sum
            }
            let inverse = 1 / (max(0, variance) + epsilon).squareRoot()
            means[channel] = mean
            inverses[channel] = inverse
            // γ (w · x − mean) / √(variance + ε) + β = (scale w) · x + (β − mean · scale).
            let scale = gains[channel] * inverse
            for (k, tap) in own.enumerated() { weight[k * channels + channel] = Float(tap * scale) }
            shift[channel] = Float(shifts[channel] - mean * scale)
        }
        self.means = means
        self.inverses = inverses
        self.weight = weight
        self.shift = shift
    }

    /// Adds the gradients of this utterance's frames.
    func addGradients(
        _ gradient: Tensor, taps: [Double], gains: [Double], weight weightGradient: inout [Double],
        gain gainGradient: inout [Double], bias biasGradient: inout [Double]
    ) throws {
        let (sums, products) = try SignalKernels.convolutionGradients(
            windows, weight: weight, shift: shift, gradient: gradient)
        let kernel = first.count
        let channels = gains.count
        let frames = Double(count)
        for channel in 0..<channels {
            let own = taps[channel * kernel..<(channel + 1) * kernel]
            let (mean, inverse, sum) = (means[channel], inverses[channel], sums[channel])
            // dβ = Σ g and dγ = Σ g ŷ, with ŷ = (w · x − mean) / √(variance + ε).
            var normalized = -mean * sum
            for (k, tap) in own.enumerated() { normalized += tap * products[k * channels + channel] }
            normalized *= inverse
            biasGradient[channel] += sum
            gainGradient[channel] += normalized
            for k in 0..<kernel {
                // Σ (w · x − mean) x[k], from the windows' moments.
                var moment = -mean * first[k]
                for (j, tap) in own.enumerated() { moment += tap * second[j * kernel + k] }
                // dw[k] = γ / √(variance + ε) · (Σ g x[k] − Σ g / N · Σ x[k] − Σ g ŷ / N · Σ ŷ x[k]).
                weightGradient[channel * kernel + k] +=
                    inverse * gains[channel]
                    * (products[k * channels + channel] - sum / frames * first[k]
                        - normalized / frames * inverse * moment)
            }
        }
    }
}
