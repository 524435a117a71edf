import W2VTorch

/// The feature extractor's first layer on GPUs: convolution of one channel, normalization over each utterance, GELU.
///
/// Only the output is written, and only the signal is kept: the output's statistics follow from the moments of the
/// windows, and the backward pass recomputes the convolution. No step waits for the host.
public struct NormalizedSignalKernels {
    /// The first row of an utterance, its rows, and those of them that are valid frames.
    public typealias Rows = (start: Int, count: Int, valid: Int)
    /// The first row of a part of an utterance, its rows, and the utterance that it belongs to.
    public typealias Part = (start: Int, count: Int, owner: Int)

    /// The number of blocks that share an utterance's windows.
    private static let momentParts = 32

    private let signal: Tensor
    private let weight: Tensor
    private let gain: Tensor
    private let bias: Tensor
    private let stride: Int
    private let utterances: [Rows]
    private let table: Tensor
    private let (channels, kernel): (Int, Int)
    private var device: Device { signal.device }

    /// Returns whether the kernels support a layer with these parameters: the samples of a block's windows must fit in
    /// shared memory.
    public static func supports(weight: Tensor, gain: Tensor, bias: Tensor, stride: Int) -> Bool {
        weight.fitsDeviceKernels && gain.fitsDeviceKernels && bias.fitsDeviceKernels && weight.rank == 3
            && weight.size(1) == 1 && weight.size(2) <= SignalBlocks.taps
            && weight.size(0) % SignalBlocks.threadChannels == 0
            && SignalBlocks.sharedBytes(SignalBlocks.backwardRows, stride: stride) <= KernelShape.commonSharedBytes
    }

    /// Prepares the layer for a batch.
    ///
    /// - Parameters:
    ///   - signal: All samples, FP32, contiguous.
    ///   - weight: [channels, 1, kernel].
    ///   - gain: The normalization's weight, [channels].
    ///   - bias: The normalization's bias, [channels].
    ///   - stride: The samples from one window to the next.
    ///   - utterances: The rows of each utterance, end to end.
    /// - Throws: `TorchError.shape` for parameters that the kernels do not support, or a signal too short for the
    ///   frames.
    public init(_ signal: Tensor, weight: Tensor, gain: Tensor, bias: Tensor, stride: Int, utterances: [Rows]) throws {
        (channels, kernel) = (weight.size(0), weight.size(2))
        guard Self.supports(weight: weight, gain: gain, bias: bias, stride: stride), signal.dtype == .float32,
            signal.isContiguous,
            [gain, bias].allSatisfy({ $0.count == weight.size(0) && $0.dtype == weight.dtype })
        else {
            throw TorchError.shape("the kernels for GPUs take no \(signal) with weights \(weight), \(gain) and \(bias)")
        }
        for rows in utterances where rows.valid > 0 {
            let end = (rows.start + rows.valid - 1) * stride + kernel
            guard rows.valid <= rows.count, end <= signal.count else {
                throw TorchError.shape("\(rows.valid) windows from row \(rows.start) in a signal of \(signal.count)")
            }
        }
        (self.signal, self.weight, self.gain, self.bias) = (signal, weight, gain, bias)
        (self.stride, self.utterances) = (stride, utterances)
        table = try Self.table(utterances)(on: signal.device)
    }

    /// Returns the rows of utterances as the kernels read them.
    public static func table(_ utterances: [Rows]) -> ShapeConstant {
        let rows = utterances.enumerated().flatMap { [$1.start, $1.count, $1.valid, $0] }
        return ShapeConstant("rows of utterances", rows) { rows }
    }

    /// Computes the layer's output, recording the parameters' gradients; the signal has none.
    ///
    /// - Returns: [rows, channels], and a closure that recomputes the same numbers.
    public func callAsFunction(epsilon: Double) throws -> (output: Tensor, recompute: () throws -> Tensor) {
        let folded = try withoutGradient { try fold(epsilon) }
        let output = try differentiable("normalized signal convolution", [weight, gain, bias]) {
            ([try convolve(folded)], { gradients, _ in try backward(gradients[0]?.contiguous(), folded) })
        }[0]
        return (output, { try convolve(folded) })
    }

    /// Computes the layer's output for parts of the utterances, without gradients; statistics are of whole utterances.
    ///
    /// - Parameters:
    ///   - samples: The parts' samples, FP32, contiguous.
    ///   - parts: The rows of each part, end to end.
    /// - Returns: [rows, channels].
    public func convolving(_ samples: Tensor, parts: [Part], epsilon: Double) throws -> Tensor {
        // The parts differ from batch to batch: not worth caching.
        let table = try Tensor(parts.flatMap { [$0.start, $0.count, $0.count, $0.owner] }).to(device: device)
        return try withoutGradient { try convolve(samples, table, counts: parts.map(\.count), fold(epsilon)) }
    }

    private func convolve(_ folded: FoldedNormalization) throws -> Tensor {
        try convolve(signal, table, counts: utterances.map(\.count), folded)
    }

    private func convolve(_ signal: Tensor, _ table: Tensor, counts: [Int], _ folded: FoldedNormalization) throws
        -> Tensor
    {
        let output = try Tensor.empty([counts.reduce(0, +), channels], dtype: weight.dtype, device: device)
        try SignalConvolutionKernel(
            signal: signal, utterances: table, folded: folded.weights, output: output, kernel: kernel, stride: stride,
            shape: SignalBlocks.shape(SignalBlocks.forwardRows, of: counts, stride: stride)
        ).launch()
        return output
    }

    private func fold(_ epsilon: Double) throws -> FoldedNormalization {
        let count = utterances.count
        let parts = try Tensor.empty([count, Self.momentParts, SignalBlocks.moments], dtype: .float64, device: device)
        try WindowMomentsKernel(signal: signal, utterances: table, parts: parts, kernel: kernel, stride: stride)
            .launch()
        let folded = try FoldedNormalization(
            moments: .empty([count, SignalBlocks.moments], dtype: .float64, device: device),
            statistics: .empty([count, 2, channels], dtype: .float64, device: device),
            weights: .empty([count, SignalBlocks.taps + 1, channels], device: device))
        try FoldNormalizationKernel(
            parts: parts, utterances: table, weight: weight, gain: gain, bias: bias, folded: folded, epsilon: epsilon
        ).launch()
        return folded
    }

    private func backward(_ gradient: Tensor?, _ folded: FoldedNormalization) throws -> [Tensor?] {
        guard let gradient else { return [nil, nil, nil] }
        let shape = SignalBlocks.shape(SignalBlocks.backwardRows, of: utterances.map(\.valid), stride: stride)
        let columns = (SignalBlocks.taps + 1) * channels
        let parts = try Tensor.empty([utterances.count, shape.grid.x, columns], device: device)
        try SignalConvolutionBackwardKernel(
            signal: signal, utterances: table, folded: folded.weights, gradient: gradient, parts: parts, stride: stride,
            shape: shape
        ).launch()
        let sums = try Tensor.empty([utterances.count, columns], dtype: .float64, device: device)
        try SignalGradientSumsKernel(parts: parts, sums: sums).launch()
        let results = try [weight.emptyLike(), gain.emptyLike(), bias.emptyLike()]
        try SignalGradientsKernel(
            sums: sums, folded: folded, utterances: table, weight: weight, gain: gain, weightGradient: results[0],
            gainGradient: results[1], biasGradient: results[2]
        ).launch()
        return results
    }
}
