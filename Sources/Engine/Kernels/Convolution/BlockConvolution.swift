import W2VTorch

/// A convolution within segments as one matrix product a group, in the tensors' own format with FP32 sums.
///
/// The signal is cut into blocks of some rows. A block's results are the product of its window, all rows that they
/// depend on, and a Toeplitz matrix: the kernel once for each row of the block, shifted by one row each time. The matrix
/// has zeros besides (an eighth more operations with blocks of 16 rows and 128 taps), but the whole convolution is one
/// product of large matrices, which tensor cores compute in half precision at their full speed.
struct BlockConvolution {
    /// The place of each row in the signal, and the row of the signal at which its window begins; the backward pass
    /// uses the same tensors.
    private let (places, starts): (Tensor, Tensor)
    private let groups: Int
    /// The channels of a group.
    private let width: Int
    private let kernel: Int
    /// The rows of a block's results, and those of its window: a multiple of them.
    private let (block, window): (Int, Int)
    private let blocks: Int

    /// Prepares the convolution of segments with a weight [channels, channels / groups, kernel].
    ///
    /// - Parameter block: The rows of a block; nil for the number that is best on a large GPU.
    init(_ segments: SpacedSegments, weight: Tensor, groups: Int, block: Int? = nil) throws {
        let kernel = weight.size(2)
        (self.groups, self.width, self.kernel) = (groups, weight.size(1), kernel)
        places = try segments.rowConstant(on: weight.device)
        starts = try segments.windowConstant(on: weight.device)
        func window(_ block: Int) -> Int { (block + kernel - 1 + block - 1) / block * block }
        // A window begins at each row of the signal except the last kernel − 1.
        let results = max(1, segments.signalRows - kernel + 1)
        let width = Double(weight.size(1))
        func seconds(_ block: Int) -> Double {
            let (results, rows, window) = (Double(results), Double(block), Double(window(block)))
            // Operations of the products, at what a large GPU does in half precision, and the elements of the matrices
            // and the windows, which are written once and read once. The factors are of one group.
            return 2 * results * width * width * window / 6e14
                + 4 * (width * width * rows * window + results * width * window / rows) / 3.5e12
        }
        let best = [8, 16, 32, 64].min { seconds($0) < seconds($1) } ?? 16
        self.block = block ?? best
        self.window = window(self.block)
        blocks = (results + self.block - 1) / self.block
    }

    /// The rows of the signal that the windows cover.
    private var signalRows: Int { blocks * block + window - block }

    // MARK: Layouts

    /// Returns the windows of the blocks, [groups, blocks, window · width], of rows [rows, channels].
    private func windows(_ rows: Tensor) throws -> Tensor {
        let signal = try rows.placingRows(at: places, in: signalRows)
            .viewed(signalRows, groups, width).permuted(1, 0, 2).contiguous()
        return try signal.viewed(
            [groups, blocks, window * width], strides: [signalRows * width, block * width, 1], from: 0
        ).contiguous()
    }

    /// Adds up what windows [groups, blocks, window · width] hold of each row: [rows, channels].
    ///
    /// This is the gradient of ``windows(_:)``.
    ///
    /// - Parameter padded: The windows with `overlap` more of zeros before and after them.
    private func rows(ofWindows padded: Tensor) throws -> Tensor {
        let (parts, stretch) = (window / block, block * width)
        // A part of the signal as long as a block is in several windows, first in the last part of one.
        let sums = try padded.viewed(
            [groups, blocks + parts - 1, parts, stretch],
            strides: [
                padded.size(1) * window * width, window * width, window * width - stretch, 1,
            ], from: (parts - 1) * stretch
        ).sum(2)
        return try sums.viewed(groups, signalRows, width).permuted(1, 0, 2).reshaped(signalRows, groups * width)
            .takingRows(places)
    }

    /// Returns the Toeplitz matrices, [groups, width · block, window · width]: one row for each channel and row of a
    /// block's results, one column for each row and channel of its window.
    private func matrices(_ weight: Tensor) throws -> Tensor {
        // The kernel of each output channel, tap by tap, and zeros up to one row more than a window has: end to end,
        // such rows shift by one row of the signal against the window each time.
        let taps = try weight.viewed(groups, width, width, kernel).permuted(0, 1, 3, 2)
            .reshaped(groups, width, 1, kernel * width)
        let zeros = try Tensor.zeros(
            [groups, width, 1, (window + 1 - kernel) * width], dtype: weight.dtype, device: weight.device)
        return try Tensor.concatenate([taps, zeros], 3).expanded(groups, width, block, (window + 1) * width)
            .reshaped(groups, width, block * (window + 1) * width)
            .narrowed(2, 0..<block * window * width)
            .reshaped(groups, width * block, window * width)
    }

    /// Adds up what matrices of the layout of ``matrices(_:)`` hold of each weight: its gradient.
    private func weight(ofMatrices matrices: Tensor) throws -> Tensor {
        try matrices.viewed(
            [groups, width, block, kernel * width],
            strides: [
                width * block * window * width, block * window * width, (window + 1) * width, 1,
            ], from: 0
        ).sum(2).viewed(groups, width, kernel, width).permuted(0, 1, 3, 2).reshaped(groups * width, width, kernel)
    }

    /// Returns [groups, blocks, width · block] as [rows, channels].
    private func rows(ofBlocks results: Tensor) throws -> Tensor {
        try results.viewed(groups, blocks, width, block).permuted(1, 3, 0, 2)
            .reshaped(blocks * block, groups * width).takingRows(starts)
    }

    /// Returns rows [rows, channels] as [groups, blocks, width · block]: the gradient of ``rows(ofBlocks:)``.
    private func blocks(ofRows rows: Tensor) throws -> Tensor {
        try rows.placingRows(at: starts, in: blocks * block)
            .viewed(blocks, block, groups, width).permuted(2, 0, 3, 1).reshaped(groups, blocks, width * block)
    }

    // MARK: Passes

    /// Convolves rows, [rows, channels].
    func callAsFunction(_ input: Tensor, _ weight: Tensor, bias: Tensor) throws -> Tensor {
        try differentiable("block convolution", [input, weight, bias]) {
            let output = try rows(ofBlocks: windows(input).matmul(matrices(weight).transposed())) + bias
            // Windows and matrices are several times as large as what they are made of, and quickly made again.
            return (
                [output],
                { gradients, needed in
                    guard let gradient = gradients[0] else { return [nil, nil, nil] }
                    let incoming = try blocks(ofRows: gradient)
                    var results: [Tensor?] = [nil, nil, needed[2] ? try gradient.sum(0) : nil]
                    if needed[0] {
                        let overlap = window / block - 1
                        let padded = try Tensor.zeros(
                            [groups, blocks + 2 * overlap, window * width], dtype: input.dtype, device: input.device)
                        try padded.narrowed(1, overlap..<overlap + blocks)
                            .setProductInPlace(incoming, matrices(weight))
                        results[0] = try rows(ofWindows: padded)
                    }
                    if needed[1] {
                        results[1] = try self.weight(ofMatrices: incoming.transposed().matmul(windows(input)))
                    }
                    return results
                }
            )
        }[0]
    }
}

extension Tensor {
    /// Convolves like ``convolved(withinSegments:_:bias:groups:)``, by large products in this tensor's format, with FP32
    /// sums: for half precision on GPUs.
    ///
    /// - Parameter block: The rows that are computed together; nil for the number that is best on a large GPU.
    /// - Throws: `TorchError.shape` for sizes that do not go together.
    public func convolvedByBlocks(
        withinSegments lengths: [Int], _ weight: Tensor, bias: Tensor, groups: Int, block: Int? = nil
    ) throws -> Tensor {
        let spaced = SpacedSegments(lengths, kernel: weight.size(2))
        guard rank == 2, size(0) == spaced.rows, weight.size(0) == size(1), weight.size(1) * groups == size(1) else {
            throw TorchError.shape(
                "\(self) and \(weight) do not go together with \(spaced.rows) rows in segments and \(groups) groups")
        }
        return try BlockConvolution(spaced, weight: weight, groups: groups, block: block)(self, weight, bias: bias)
    }
}
