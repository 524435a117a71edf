import W2VTorch

/// Consecutive segments of rows, and their places in a signal with `gap` rows of zeros before, between and after them.
struct SpacedSegments {
    /// For each segment: its rows, and its first row in the signal minus `gap`, where its first window begins.
    let places: [(rows: Range<Int>, window: Int)]
    let gap: Int
    /// The number of rows of all segments, and of the signal.
    let (rows, signalRows): (Int, Int)
    /// What determines the constants: the kernel's size, and the rows of each segment.
    private let shape: [Int]

    /// Spaces segments for a kernel of some rows.
    init(_ lengths: [Int], kernel: Int) {
        let gap = kernel / 2
        var (row, window) = (0, 0)
        var places: [(rows: Range<Int>, window: Int)] = []
        for length in lengths {
            places.append((row..<row + length, window))
            row += length
            window += length + gap
        }
        (self.places, self.gap, rows, signalRows) = (places, gap, row, window + gap)
        shape = [kernel] + lengths
    }

    /// The first row of each row's window: its place in the signal minus `gap`.
    private var windowOfRow: [Int] { places.flatMap { Array($0.window..<$0.window + $0.rows.count) } }

    /// The place of each row in the signal.
    var rowConstant: ShapeConstant { ShapeConstant("spaced rows", shape) { windowOfRow.map { $0 + gap } } }

    /// The row of the signal at which each row's window begins.
    var windowConstant: ShapeConstant { ShapeConstant("spaced windows", shape) { windowOfRow } }
}

extension Tensor {
    /// Convolves the rows of each segment, zero-padded, with a grouped kernel; segments do not see their neighbors.
    ///
    /// With an even kernel a row sees one row more before it than after it (fairseq's `SamePad`).
    ///
    /// - Parameters:
    ///   - lengths: The rows of each segment; this tensor is [rows, channels] with the segments end to end.
    ///   - weight: [channels, channels / groups, kernel].
    ///   - bias: [channels].
    /// - Returns: [rows, channels].
    /// - Throws: `TorchError.operation` or `TorchError.shape` for sizes that do not go together.
    public func convolved(
        withinSegments lengths: [Int], _ weight: Tensor, bias: Tensor, groups: Int
    ) throws -> Tensor {
        let kernel = weight.size(2)
        let spaced = SpacedSegments(lengths, kernel: kernel)
        guard rank == 2, size(0) == spaced.rows else {
            throw TorchError.shape("\(self) does not have the \(spaced.rows) rows of the segments to convolve")
        }
        if fitsHostKernels, bias.fitsHostKernels, SpectralConvolution.supports(weight),
            weight.size(1) * groups == size(1)
        {
            return try hostConvolvedBySpectra(withinSegments: lengths, weight, bias: bias)
        }
        guard device != .cpu, dtype != .float64 else {
            return try convolvedDirectly(spaced, weight, bias: bias, groups: groups)
        }
        return try convolvedByFrequencies(withinSegments: lengths, weight, bias: bias, groups: groups)
    }

    /// Computes the convolution with LibTorch's operator.
    private func convolvedDirectly(
        _ spaced: SpacedSegments, _ weight: Tensor, bias: Tensor, groups: Int
    ) throws -> Tensor {
        let zeros = try Tensor.zeros([spaced.gap, size(1)], dtype: dtype, device: device)
        let signal = try Tensor.concatenate([zeros] + spaced.places.flatMap { [try rows($0.rows), zeros] })
        let convolved = try signal.transposed().unsqueezed(0).convolved(weight, bias: bias, groups: groups)
            .squeezed(0).transposed()
        return try .concatenate(
            spaced.places.map { try convolved.rows($0.window..<$0.window + $0.rows.count) })
    }

    /// Computes the convolution as products of spectra, in FP32: on GPUs, whose libraries are slow with long kernels in
    /// many groups.
    ///
    /// The spaced signal is cut into blocks that overlap by the kernel minus one (overlap-save); the products of
    /// spectra are batched matrix products over the channels of a group, one per frequency.
    ///
    /// - Returns: [rows, channels], of this tensor's type.
    func convolvedByFrequencies(
        withinSegments lengths: [Int], _ weight: Tensor, bias: Tensor, groups: Int
    ) throws -> Tensor {
        let (channels, kernel) = (size(1), weight.size(2))
        let width = channels / groups
        let spaced = SpacedSegments(lengths, kernel: kernel)
        var size = 512
        while size < 4 * kernel { size *= 2 }
        let step = size - kernel + 1
        // A window begins at each row of the signal except the last kernel − 1.
        let windows = max(1, spaced.signalRows - kernel + 1)
        let blocks = (windows + step - 1) / step
        let signal = try to(dtype: .float32)
            .placingRows(at: spaced.rowConstant(on: device), in: (blocks - 1) * step + size)
        let frequencies = size / 2 + 1
        // [groups · frequencies, blocks, inputs] times [groups · frequencies, inputs, outputs].
        let inputs = try signal.unfolded(0, size: size, step: step).realSpectrum(size)
            .viewed(blocks, groups, width, frequencies).permuted(1, 3, 0, 2)
            .reshaped(groups * frequencies, blocks, width)
        let filters = try weight.to(dtype: .float32).realSpectrum(size).conjugated()
            .viewed(groups, width, width, frequencies).permuted(0, 3, 2, 1).reshaped(groups * frequencies, width, width)
        let outputs = try inputs.matmul(filters).viewed(groups, frequencies, blocks, width).permuted(2, 0, 3, 1)
            .reshaped(blocks, channels, frequencies).realSignal(size).narrowed(2, 0..<step)
            .transposed(1, 2).reshaped(blocks * step, channels)
        return try (outputs.takingRows(spaced.windowConstant(on: device)) + bias.to(dtype: .float32)).to(dtype: dtype)
    }
}
