/// Segments of rows that lie end to end, and where they lie in a signal with `gap` rows of zeros before, between and
/// after them.
private struct SpacedSegments {
    /// Of each segment: its rows, and its first row in the signal, less `gap`: where its first window begins.
    let places: [(rows: Range<Int>, window: Int)]
    let gap: Int
    /// All segments' rows, and those of the signal.
    let (rows, signalRows): (Int, Int)

    init(_ lengths: [Int], gap: Int) {
        var (row, window) = (0, 0)
        var places: [(rows: Range<Int>, window: Int)] = []
        for length in lengths {
            places.append((row..<row + length, window))
            row += length
            window += length + gap
        }
        (self.places, self.gap, rows, signalRows) = (places, gap, row, window + gap)
    }

    /// Where each row begins its window: its place in the signal, less `gap`.
    var windowOfRow: [Int] { places.flatMap { Array($0.window..<$0.window + $0.rows.count) } }

    /// Where each row lies in the signal.
    var rowsInSignal: [Int] { windowOfRow.map { $0 + gap } }

    /// The signals [groups, signal rows, width] of groups of `width` columns of [rows, groups · width], with `lead` rows of
    /// zeros, `gap` or less, before the first segment.
    func signals(_ rows: Tensor, width: Int, lead: Int) throws -> Tensor {
        let groups = rows.size(1) / width
        let signals = try Tensor.zeros([groups, signalRows, width])
        for place in places where !place.rows.isEmpty {
            let start = place.window + lead
            try signals.narrowed(1, start..<start + place.rows.count)
                .copy(from: rows.rows(place.rows).viewed(-1, groups, width).transposed(0, 1))
        }
        return signals
    }
}

extension Tensor {
    /// A grouped convolution along the rows of each segment, which has zeros around it and sees nothing of its neighbours.
    ///
    /// With an even kernel a row sees one row more before it than after it (fairseq's `SamePad`).
    ///
    /// - Parameters:
    ///   - lengths: The rows of each segment; this tensor is [rows, channels] with the segments end to end.
    ///   - weight: [channels, channels / groups, kernel].
    ///   - bias: [channels].
    ///   - groups: Independent groups of channels.
    /// - Returns: [rows, channels].
    /// - Throws: `TorchError.operation` or `TorchError.shape` for sizes that do not go together.
    public func convolved(
        withinSegments lengths: [Int], _ weight: Tensor, bias: Tensor, groups: Int
    ) throws -> Tensor {
        let kernel = weight.size(2)
        let spaced = SpacedSegments(lengths, gap: kernel / 2)
        guard rank == 2, size(0) == spaced.rows else {
            throw TorchError.shape("\(self) does not have the \(spaced.rows) rows of the segments to convolve")
        }
        if fitsHostKernels, weight.fitsHostKernels, bias.fitsHostKernels {
            return try hostConvolved(spaced, weight, bias: bias, groups: groups)
        }
        guard device != .cpu, dtype != .float64 else {
            return try convolvedDirectly(spaced, weight, bias: bias, groups: groups)
        }
        return try convolvedByFrequencies(withinSegments: lengths, weight, bias: bias, groups: groups)
    }

    /// The convolution by LibTorch's operator.
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

    /// The convolution as products of spectra, in FP32: on GPUs, whose libraries are slow with long kernels in many groups.
    ///
    /// The spaced signal is cut into blocks that overlap by a kernel less one (overlap-save); the products of spectra are
    /// batched matrix products over the channels of a group, one for each frequency.
    ///
    /// - Parameters: Those of ``convolved(withinSegments:_:bias:groups:)``.
    /// - Returns: [rows, channels], of this tensor's type.
    /// - Throws: `TorchError.operation` if LibTorch refuses, as when memory runs out.
    func convolvedByFrequencies(
        withinSegments lengths: [Int], _ weight: Tensor, bias: Tensor, groups: Int
    ) throws -> Tensor {
        let (channels, kernel) = (size(1), weight.size(2))
        let width = channels / groups
        let spaced = SpacedSegments(lengths, gap: kernel / 2)
        var size = 512
        while size < 4 * kernel { size *= 2 }
        let step = size - kernel + 1
        // A window begins at each row of the signal but the last ones.
        let windows = max(1, spaced.signalRows - kernel + 1)
        let blocks = (windows + step - 1) / step
        let places = try Tensor.constant("spaced rows", [kernel] + lengths, on: device) { spaced.rowsInSignal }
        let signal = try to(dtype: .float32).placingRows(at: places, in: (blocks - 1) * step + size)
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
        let starts = try Tensor.constant("spaced windows", [kernel] + lengths, on: device) { spaced.windowOfRow }
        return try (outputs.takingRows(starts) + bias.to(dtype: .float32)).to(dtype: dtype)
    }

    /// The convolution and its gradients as products of packed operands with overlapping windows, differentiable once.
    private func hostConvolved(
        _ spaced: SpacedSegments, _ weight: Tensor, bias: Tensor, groups: Int
    ) throws -> Tensor {
        let (channels, width, kernel) = (size(1), weight.size(1), weight.size(2))
        let (input, gap) = (self, spaced.gap)
        return try differentiable("convolution within segments", [input, weight, bias]) {
            let signals = try spaced.signals(input, width: width, lead: gap)
            let packed = try PackedWeight(convolution: weight)
            return (
                [try packed.windows(of: signals, spaced, bias: bias, gelu: false)],
                { gradients, needed in
                    guard let gradient = try gradients[0]?.contiguous() else { return [nil, nil, nil] }
                    var (inputGradient, weightGradient): (Tensor?, Tensor?)
                    if needed[0] {
                        // Turned round in time, and from outputs to inputs, it is a convolution of the same kind.
                        let turned = try weight.viewed(groups, -1, width, kernel).transposed(1, 2)
                            .reversed(3).reshaped(channels, width, kernel)
                        inputGradient = try PackedWeight(convolution: turned).windows(
                            of: spaced.signals(gradient, width: width, lead: kernel - 1 - gap), spaced, bias: nil,
                            gelu: false)
                    }
                    if needed[1] {
                        // A tap's gradient sums over time: time is the depth of this product, a tap a window's start.
                        let factor = try PackedWeight(
                            groups: spaced.signals(gradient, width: width, lead: 0)
                                .narrowed(1, 0..<spaced.signalRows - 2 * gap).transposed(1, 2))
                        let products = try Tensor.empty([kernel, channels * width])
                        try factor.multiply(
                            windowsOf: signals.transposed(1, 2).contiguous(), partsOfGroup: width, step: 1,
                            into: products)
                        weightGradient = try products.viewed(kernel, groups, width, width).permuted(1, 3, 2, 0)
                            .reshaped(channels, width, kernel)
                    }
                    return [inputGradient, weightGradient, needed[2] ? try gradient.sum(0) : nil]
                }
            )
        }[0]
    }
}

extension PackedWeight {
    /// Packs the weight of a grouped convolution, [channels, channels / groups, kernel], FP32 in host memory.
    ///
    /// - Throws: `TorchError.shape` for a weight of another kind.
    public init(convolution weight: Tensor) throws {
        let (channels, width) = (weight.size(0), weight.size(1))
        try self.init(groups: weight.permuted(0, 2, 1).reshaped(channels / width, width, width * weight.size(2)))
    }

    /// ``Tensor/convolved(withinSegments:_:bias:groups:)`` with a packed weight, and GELU if wanted; not recorded.
    ///
    /// - Parameters:
    ///   - input: [rows, channels], FP32 in host memory.
    ///   - lengths: The rows of each segment.
    ///   - kernel: Taps.
    ///   - bias: [channels].
    ///   - gelu: Whether GELU follows.
    /// - Returns: [rows, channels].
    /// - Throws: `TorchError.shape` when the sizes do not go together.
    public func convolved(
        _ input: Tensor, withinSegments lengths: [Int], kernel: Int, bias: Tensor, gelu: Bool
    ) throws -> Tensor {
        let spaced = SpacedSegments(lengths, gap: kernel / 2)
        guard input.rank == 2, input.size(0) == spaced.rows else {
            throw TorchError.shape("\(input) does not have the \(spaced.rows) rows of the segments to convolve")
        }
        let signals = try spaced.signals(input, width: input.size(1) / groups, lead: spaced.gap)
        return try windows(of: signals, spaced, bias: bias, gelu: gelu)
    }

    fileprivate func windows(
        of signals: Tensor, _ spaced: SpacedSegments, bias: Tensor?, gelu: Bool
    ) throws -> Tensor {
        let width = signals.size(2)
        let output = try Tensor.empty([spaced.rows, groups * width])
        for place in spaced.places {
            try multiply(
                windowsOf: signals, from: place.window * width, step: width, bias: bias, gelu: gelu,
                into: output.rows(place.rows))
        }
        return output
    }
}
