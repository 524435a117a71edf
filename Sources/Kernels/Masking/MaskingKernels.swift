// Rows that become one vector, on GPUs.

import Torch

extension Tensor {
    /// Whether ``replacingRows(where:with:)`` takes this [rows, columns] tensor.
    func takesRowReplacement(_ vector: Tensor) -> Bool {
        rank == 2 && fitsDeviceKernels && vector.fitsDeviceKernels && vector.dtype == dtype && vector.count == size(1)
            && size(1) % Self.columnWidth == 0
    }

    /// A vector in place of rows.
    ///
    /// - Parameters:
    ///   - flags: Which rows, bool [rows, 1].
    ///   - vector: What they become, [columns], of this tensor's type.
    /// - Returns: [rows, columns].
    /// - Throws: `TorchError.operation` for sizes that do not go together.
    public func replacingRows(where flags: Tensor, with vector: Tensor) throws -> Tensor {
        guard takesRowReplacement(vector), flags.count == size(0), flags.isContiguous, flags.dtype == .bool else {
            return try .choose(flags, vector, else: self)
        }
        let (rows, columns) = (size(0), size(1))
        return try differentiable("rows replaced by a vector", [self, vector]) {
            let output = try emptyLike()
            try DeviceKernels.launch(
                "mask_rows", of: dtype, on: device,
                KernelShape(grid: (min((count + 2047) / 2048, 65_535), 1), threads: 256), .tensor(self),
                .tensor(flags), .tensor(vector), .tensor(output), .int64(count), .int32(columns))
            return (
                [output],
                { gradients, _ in
                    guard let gradient = try gradients[0]?.contiguous() else { return [nil, nil] }
                    let own = try gradient.emptyLike()
                    let shape = Self.columnShape(rows, columns)
                    let sums = try Tensor.empty([shape.grid.x, columns], device: gradient.device)
                    try DeviceKernels.launch(
                        "mask_rows_backward", of: gradient.dtype, on: gradient.device, shape, .tensor(gradient),
                        .tensor(flags), .tensor(own), .tensor(sums), .int64(rows), .int32(columns))
                    return [own, try sums.deviceColumnSums(as: gradient.dtype)]
                }
            )
        }[0]
    }
}
