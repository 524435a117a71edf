import Torch

/// The feature extractor's first layer on GPUs: convolution of one channel, normalisation over each utterance, GELU.
///
/// Nothing but the output is written, and the signal is all that is kept: the output's statistics follow from the moments
/// of the windows, and the backward pass computes the convolution again. No step waits for the host.
public struct NormalizedSignalKernels {
    /// Where an utterance's rows begin, how many there are, and how many of those are frames.
    public typealias Rows = (start: Int, count: Int, valid: Int)
    /// Where the rows of a part of an utterance begin, how many there are, and which utterance it is of.
    public typealias Part = (start: Int, count: Int, owner: Int)

    // As in SignalConvolution.cu.
    private static let (taps, moments, threads) = (10, 65, 128)
    private static let (forwardRows, backwardRows, momentParts) = (64, 256, 32)

    private let signal: Tensor
    private let weight: Tensor
    private let gain: Tensor
    private let bias: Tensor
    private let stride: Int
    private let utterances: [Rows]
    private let table: Tensor
    private let (channels, kernel): (Int, Int)
    private var device: Device { signal.device }

    /// Whether the kernels take a layer with these parameters.
    public static func canTake(weight: Tensor, gain: Tensor, bias: Tensor) -> Bool {
        weight.fitsDeviceKernels && gain.fitsDeviceKernels && bias.fitsDeviceKernels && weight.rank == 3
            && weight.size(1) == 1 && weight.size(2) <= taps && weight.size(0) % 4 == 0
    }

    /// Prepares the layer for a batch.
    ///
    /// - Parameters:
    ///   - signal: All samples, FP32, contiguous.
    ///   - weight: [channels, 1, kernel].
    ///   - gain: The normalisation's weight, [channels].
    ///   - bias: The normalisation's bias, [channels].
    ///   - stride: Samples from one window to the next.
    ///   - utterances: The rows of each utterance, end to end.
    /// - Throws: `TorchError.shape` for parameters that the kernels do not take, or a signal too short for the frames.
    public init(_ signal: Tensor, weight: Tensor, gain: Tensor, bias: Tensor, stride: Int, utterances: [Rows]) throws {
        (channels, kernel) = (weight.size(0), weight.size(2))
        guard Self.canTake(weight: weight, gain: gain, bias: bias), signal.dtype == .float32, signal.isContiguous,
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
        let rows = utterances.enumerated().flatMap { [$1.start, $1.count, $1.valid, $0] }
        table = try .constant("rows of utterances", rows, on: signal.device) { rows }
    }

    /// The layer's output, with the parameters' gradients recorded; the signal has none.
    ///
    /// - Parameter epsilon: Added to the variance.
    /// - Returns: [rows, channels], and what computes the same numbers again.
    /// - Throws: `TorchError` if the device refuses, as when memory runs out.
    public func callAsFunction(epsilon: Double) throws -> (output: Tensor, again: () throws -> Tensor) {
        let folded = try withoutGradient { try fold(epsilon) }
        let output = try differentiable("normalized signal convolution", [weight, gain, bias]) {
            ([try convolve(folded)], { gradients, _ in try backward(gradients[0]?.contiguous(), folded) })
        }[0]
        return (output, { try convolve(folded) })
    }

    /// The layer's output for parts of the utterances alone, without gradients; statistics are of whole utterances.
    ///
    /// - Parameters:
    ///   - samples: The parts' samples, FP32, contiguous.
    ///   - parts: The rows of each part, end to end.
    ///   - epsilon: Added to the variance.
    /// - Returns: [rows, channels].
    /// - Throws: `TorchError` if the device refuses, as when memory runs out.
    public func convolving(_ samples: Tensor, parts: [Part], epsilon: Double) throws -> Tensor {
        // Which parts there are differs from batch to batch: not worth keeping.
        let table = try Tensor(parts.flatMap { [$0.start, $0.count, $0.count, $0.owner] }).to(device: device)
        return try withoutGradient { try convolve(samples, table, counts: parts.map(\.count), fold(epsilon)) }
    }

    private func convolve(_ folded: Folded) throws -> Tensor {
        try convolve(signal, table, counts: utterances.map(\.count), folded)
    }

    private func convolve(_ signal: Tensor, _ table: Tensor, counts: [Int], _ folded: Folded) throws -> Tensor {
        let output = try Tensor.empty([counts.reduce(0, +), channels], dtype: weight.dtype, device: device)
        try DeviceKernels.launch(
            "signal_convolution", of: weight.dtype, on: device, tiles(Self.forwardRows, counts), .tensor(signal),
            .tensor(table), .tensor(folded.weights), .tensor(output), .int64(signal.count), .int32(channels),
            .int32(kernel), .int32(stride))
        return output
    }

    /// The normalisation of each utterance.
    private struct Folded {
        /// FP64 [utterances, moments].
        let moments: Tensor
        /// FP64 [utterances, 2, channels]: mean and inverse deviation.
        let statistics: Tensor
        /// FP32 [utterances, taps + 1, channels]: weights with the normalisation in them, and the shift.
        let weights: Tensor
    }

    private func fold(_ epsilon: Double) throws -> Folded {
        let count = utterances.count
        let parts = try Tensor.empty([count, Self.momentParts, Self.moments], dtype: .float64, device: device)
        try DeviceKernels.launch(
            "window_moments", on: device, KernelShape(grid: (Self.momentParts, count), threads: Self.threads),
            .tensor(signal), .tensor(table), .tensor(parts), .int32(kernel), .int32(stride))
        let folded = try Folded(
            moments: .empty([count, Self.moments], dtype: .float64, device: device),
            statistics: .empty([count, 2, channels], dtype: .float64, device: device),
            weights: .empty([count, Self.taps + 1, channels], device: device))
        try DeviceKernels.launch(
            "fold_normalization", of: weight.dtype, on: device, KernelShape(grid: (count, 1), threads: 256),
            .tensor(parts), .tensor(table), .tensor(weight), .tensor(gain), .tensor(bias), .tensor(folded.moments),
            .tensor(folded.statistics), .tensor(folded.weights), .int32(Self.momentParts), .int32(channels),
            .int32(kernel), .double(epsilon))
        return folded
    }

    /// Blocks of so many rows of each utterance, with the samples of their windows in shared memory.
    private func tiles(_ rows: Int, _ counts: [Int]) -> KernelShape {
        KernelShape(
            grid: (((counts.max() ?? 0) + rows - 1) / rows, counts.count), threads: Self.threads,
            sharedBytes: 4 * ((rows - 1) * stride + Self.taps))
    }

    private func backward(_ gradient: Tensor?, _ folded: Folded) throws -> [Tensor?] {
        guard let gradient else { return [nil, nil, nil] }
        let shape = tiles(Self.backwardRows, utterances.map(\.valid))
        let columns = (Self.taps + 1) * channels
        let parts = try Tensor.empty([utterances.count, shape.grid.x, columns], device: device)
        try DeviceKernels.launch(
            "signal_convolution_backward", of: weight.dtype, on: device, shape, .tensor(signal), .tensor(table),
            .tensor(folded.weights), .tensor(gradient), .tensor(parts), .int64(signal.count), .int32(channels),
            .int32(stride))
        let sums = try Tensor.empty([utterances.count, columns], dtype: .float64, device: device)
        try DeviceKernels.launch(
            "signal_gradient_sums", on: device,
            KernelShape(grid: ((columns + 31) / 32, utterances.count), threads: 256), .tensor(parts), .tensor(sums),
            .int32(shape.grid.x), .int32(columns))
        let results = try [weight.emptyLike(), gain.emptyLike(), bias.emptyLike()]
        try DeviceKernels.launch(
            "signal_gradients", of: weight.dtype, on: device, KernelShape(grid: ((channels + 63) / 64, 1), threads: 64),
            .tensor(sums), .tensor(folded.moments), .tensor(folded.statistics), .tensor(table), .tensor(weight),
            .tensor(gain), .tensor(results[0]), .tensor(results[1]), .tensor(results[2]), .int32(utterances.count),
            .int32(channels), .int32(kernel))
        return results
    }
}
