import CW2VKernels
import W2VTorch

/// Kernels over the windows of one signal in FP32 host memory: a convolution with a single input channel.
public enum SignalKernels {
    /// The windows of a part of a signal.
    public struct Windows: Sendable {
        let signal: Tensor
        let start: Int
        let kernel: Int
        let stride: Int

        /// Windows of `kernel` samples every `stride` samples of a signal.
        ///
        /// - Parameters:
        ///   - signal: All samples, FP32, contiguous, in host memory.
        ///   - stride: The samples from one window to the next.
        public init(_ signal: Tensor, from start: Int, kernel: Int, stride: Int) {
            self.signal = signal
            self.start = start
            self.kernel = kernel
            self.stride = stride
        }

        fileprivate func withSamples<Result>(
            _ body: (UnsafePointer<Float>, _ available: Int) throws -> Result
        ) throws -> Result {
            try signal.withUnsafeMutableBytes { bytes in
                let samples = UnsafeBufferPointer(bytes.bindMemory(to: Float.self))
                guard let base = samples.baseAddress, start >= 0, start <= samples.count else {
                    throw TorchError.shape("windows from sample \(start) of a signal of \(samples.count)")
                }
                return try body(base + start, samples.count - start)
            }
        }
    }

    /// Returns whether the kernels support a signal and the output of a layer with this weight.
    public static func supports(_ signal: Tensor, weight: Tensor) -> Bool {
        signal.fitsHostKernels && weight.fitsElementwiseHostKernels
    }

    /// Returns Σ x[k] and Σ x[j] · x[k] over the first `count` windows, [kernel] and [kernel · kernel].
    public static func moments(_ windows: Windows, count: Int) throws -> (first: [Double], second: [Double]) {
        var first = [Double](repeating: 0, count: windows.kernel)
        var second = [Double](repeating: 0, count: windows.kernel * windows.kernel)
        try windows.withSamples { samples, available in
            try require(count, windows, available)
            ck_window_moments(
                samples, Int64(count), Int64(windows.kernel), Int64(windows.stride), &first, &second)
        }
        return (first, second)
    }

    /// Writes GELU of shift + windows · weight into the rows of `output`; rows without a complete window become zero.
    ///
    /// - Parameters:
    ///   - windows: The windows; there may be fewer than rows.
    ///   - weight: [kernel · channels], tap by tap.
    ///   - shift: [channels].
    ///   - output: [rows, channels], FP32 or BF16, contiguous, in host memory.
    /// - Throws: `TorchError.shape` when the windows leave the signal, or a tensor is not contiguous in host memory.
    public static func convolve(
        _ windows: Windows, weight: [Float], shift: [Float], into output: Tensor
    ) throws {
        let channels = shift.count
        try windows.withSamples { samples, available in
            try output.withUnsafeMutableBytes { bytes in
                ck_signal_convolution(
                    samples, Int64(available), weight, shift, bytes.baseAddress, output.kernelFormat,
                    Int64(output.size(0)), Int64(channels), Int64(windows.kernel), Int64(windows.stride),
                    HostKernels.threads)
            }
        }
    }

    /// Returns the sums that the gradient of ``convolve(_:weight:shift:into:)`` consists of.
    ///
    /// With g the gradient times GELU's derivative.
    ///
    /// - Parameters:
    ///   - windows: The windows of the forward pass.
    ///   - gradient: The output's gradient in the valid rows, [rows, channels], FP32 or BF16.
    /// - Returns: Σ g for each channel, and Σ g · x[k] as [kernel · channels].
    /// - Throws: `TorchError.shape` when the windows leave the signal, or a tensor is not contiguous in host memory.
    public static func convolutionGradients(
        _ windows: Windows, weight: [Float], shift: [Float], gradient: Tensor
    ) throws -> (sums: [Double], products: [Double]) {
        let (channels, rows, kernel) = (shift.count, gradient.size(0), windows.kernel)
        var sums = [Double](repeating: 0, count: channels)
        var products = [Double](repeating: 0, count: kernel * channels)
        let scratch = try Tensor.empty([
            Int(ck_signal_convolution_scratch(Int64(rows), Int64(channels), Int64(kernel)))
        ])
        try windows.withSamples { samples, available in
            try require(rows, windows, available)
            try gradient.contiguous().withUnsafeMutableBytes { gradients in
                try scratch.withUnsafeMutableBytes { scratch in
                    ck_signal_convolution_backward(
                        samples, weight, shift, gradients.baseAddress, gradient.kernelFormat, &sums, &products,
                        scratch.bindMemory(to: Float.self).baseAddress, Int64(rows), Int64(channels), Int64(kernel),
                        Int64(windows.stride), HostKernels.threads)
                }
            }
        }
        return (sums, products)
    }

    private static func require(_ count: Int, _ windows: Windows, _ available: Int) throws {
        guard count == 0 || (count - 1) * windows.stride + windows.kernel <= available else {
            throw TorchError.shape("\(count) windows of \(windows.kernel) samples in a signal of \(available)")
        }
    }
}
