// Kernels that have a row after the other, and sum what they write by columns.

import Torch

extension Tensor {
    // As in Elementwise.cu.
    private static let columnThreads = 128

    /// Columns of a thread: what the number of columns must be a multiple of.
    static let columnWidth = 8

    /// Blocks that share the rows (x) and those that share the columns (y); a function of the shape alone, as the order of the
    /// sums is.
    static func columnShape(_ rows: Int, _ columns: Int) -> KernelShape {
        let width = columnWidth * columnThreads
        return KernelShape(grid: (min(rows, 528), (columns + width - 1) / width), threads: columnThreads)
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
        var shape = columnShape(rows, columns)
        shape.grid.y *= 3
        let sums = try Tensor.empty([shape.grid.x, 3 * columns], device: device)
        try DeviceKernels.launch(
            "join_thirds", of: dtype, on: device, shape, .tensor(parts[0]), .tensor(parts[1]), .tensor(parts[2]),
            .tensor(joined), .tensor(sums), .int64(rows), .int32(columns))
        return (joined, try sums.deviceColumnSums(as: dtype))
    }

    /// The sums of this FP32 tensor's columns, [rows, columns], in another format: [columns].
    func deviceColumnSums(as dtype: DType) throws -> Tensor {
        let (rows, columns) = (size(0), size(1))
        let result = try Tensor.empty([columns], dtype: dtype, device: device)
        try DeviceKernels.launch(
            "column_sums", of: dtype, on: device, KernelShape(grid: ((columns + 31) / 32, 1), threads: 256),
            .tensor(self), .tensor(result), .int64(rows), .int32(columns))
        return result
    }
}
