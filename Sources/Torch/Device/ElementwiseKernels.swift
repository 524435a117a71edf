// Dropout, and GELU with dropout, on GPUs; their masks are those of the kernels in host memory.

extension DropoutMask {
    /// Draws below it drop their element.
    var bound: UInt32 { UInt32(min(max(probability, 0) * 4_294_967_296, 4_294_967_295)) }
    /// What the other elements are multiplied by.
    var scale: Double { 1 / (1 - probability) }
}

extension Tensor {
    /// Eight elements a thread.
    private var elementwiseShape: KernelShape {
        KernelShape(grid: (min((count + 2047) / 2048, 65_535), 1), threads: 256)
    }

    /// Dropout of the elements, or of their GELU, not recorded.
    func deviceDropped(_ mask: DropoutMask, ofGELU: Bool) throws -> Tensor {
        let output = try emptyLike()
        try DeviceKernels.launch(
            "gelu_dropout", of: dtype, on: device, elementwiseShape, .tensor(self), .tensor(output), .int64(count),
            .optional(mask.seed.base), .uint64(mask.seed.offset), .uint32(mask.bound), .float(mask.scale),
            .int32(ofGELU ? 1 : 0))
        return output
    }

    // As in Elementwise.cu.
    private static let (columnWidth, columnThreads) = (8, 128)

    /// Blocks that share the rows of each column; a function of the shape alone, as the sums' order is.
    private static func columnBlocks(_ rows: Int) -> Int { min(rows, 528) }

    private static func columnGroups(_ columns: Int) -> Int {
        (columns + columnWidth * columnThreads - 1) / (columnWidth * columnThreads)
    }

    /// The gradient of ``deviceDropped(_:ofGELU:)`` as ``deviceGELUDropoutBackward(into:_:)`` has it, with the sums of its
    /// columns: FP32 arithmetic, in this tensor's format.
    func deviceGELUDropoutBackwardSums(into gradient: Tensor, _ mask: DropoutMask) throws -> Tensor {
        let columns = size(-1)
        let rows = count / columns
        guard columns % Self.columnWidth == 0 else {
            try deviceGELUDropoutBackward(into: gradient, mask)
            return try gradient.reshaped(rows, columns).sum(0)
        }
        let blocks = Self.columnBlocks(rows)
        let sums = try Tensor.empty([blocks, columns], device: device)
        try DeviceKernels.launch(
            "gelu_dropout_backward_sums", of: dtype, on: device,
            KernelShape(grid: (blocks, Self.columnGroups(columns)), threads: Self.columnThreads), .tensor(self),
            .tensor(gradient), .tensor(gradient), .tensor(sums), .int64(rows), .int32(columns),
            .optional(mask.seed.base), .uint64(mask.seed.offset), .uint32(mask.bound), .float(mask.scale))
        return try sums.deviceColumnSums(as: dtype)
    }

    /// Three matrices [rows, columns] as the thirds of one, [rows, 3 · columns], and the sums of its columns.
    static func joiningThirds(_ parts: [Tensor]) throws -> (joined: Tensor, sums: Tensor) {
        let (rows, columns) = (parts[0].size(0), parts[0].size(1))
        guard columns % columnWidth == 0, parts.allSatisfy(\.fitsDeviceKernels) else {
            let joined = try Tensor.concatenate(parts, 1)
            return (joined, try joined.sum(0))
        }
        let (dtype, device) = (parts[0].dtype, parts[0].device)
        let joined = try Tensor.empty([rows, 3 * columns], dtype: dtype, device: device)
        let blocks = columnBlocks(rows)
        let sums = try Tensor.empty([blocks, 3 * columns], device: device)
        try DeviceKernels.launch(
            "join_thirds", of: dtype, on: device,
            KernelShape(grid: (blocks, 3 * columnGroups(columns)), threads: columnThreads), .tensor(parts[0]),
            .tensor(parts[1]), .tensor(parts[2]), .tensor(joined), .tensor(sums), .int64(rows), .int32(columns))
        return (joined, try sums.deviceColumnSums(as: dtype))
    }

    /// The gradient of ``deviceDropped(_:ofGELU:)`` with GELU at this input, written over the output's gradient.
    func deviceGELUDropoutBackward(into gradient: Tensor, _ mask: DropoutMask) throws {
        try DeviceKernels.launch(
            "gelu_dropout_backward", of: dtype, on: device, elementwiseShape, .tensor(self), .tensor(gradient),
            .tensor(gradient), .int64(count), .optional(mask.seed.base), .uint64(mask.seed.offset), .uint32(mask.bound),
            .float(mask.scale))
    }
}
