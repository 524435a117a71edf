import W2VTorch

extension KernelSource {
    static let columns = KernelSource("Columns.cu", PackageResources.Columns_cu)
}

/// The division of work in kernels that process row after row and sum their output by columns.
enum ColumnBlocks {
    /// The columns of a thread; the number of columns must be a multiple of it.
    static let width = 8
    /// The threads of a block.
    static let threads = 128
    /// The same constants in the source text.
    static let constants = ["COLUMN_WIDTH": width, "COLUMN_THREADS": threads]

    /// Returns the blocks that share the rows (x) and those that share the columns (y).
    ///
    /// It depends on the shape only, and so does the order of the sums.
    static func shape(_ rows: Int, _ columns: Int) -> KernelShape {
        let width = width * threads
        return KernelShape(grid: (min(rows, 528), (columns + width - 1) / width), threads: threads)
    }
}

/// The sums of the columns of FP32 [rows, columns], in the format of the result.
struct ColumnSumsKernel: DeviceKernel {
    let parts: Tensor
    let result: Tensor

    static let name = "column_sums"
    static let source = KernelSource.columns
    static let threads = 256
    static let parameters: [KernelParameter<Self>] = [
        .reads("parts", as: .float, \.parts), .writes("result", \.result), .int64("rows") { $0.parts.size(0) },
        .int32("columns") { $0.parts.size(1) },
    ]
    var shape: KernelShape { KernelShape(grid: ((parts.size(1) + 31) / 32, 1), threads: Self.threads) }
}

extension Tensor {
    /// Returns the sums of this FP32 tensor's columns, [rows, columns], on a GPU, in another format: [columns].
    func deviceColumnSums(as dtype: DType) throws -> Tensor {
        let result = try Tensor.empty([size(1)], dtype: dtype, device: device)
        try ColumnSumsKernel(parts: self, result: result).launch()
        return result
    }
}
