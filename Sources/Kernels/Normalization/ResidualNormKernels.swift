// LayerNorm of a residual plus the dropout of a branch, on GPUs.

import Torch

extension Tensor {
    /// Rows that a block has at a time, a warp each.
    private static let normWarps = 4

    /// Whether a row of this many elements fits a warp's registers.
    static func fitsResidualNormKernel(columns: Int) -> Bool { columns % 4 == 0 && columns <= 1024 }

    /// LayerNorm of this tensor plus the dropout of another, not recorded.
    ///
    /// `statistics`, FP32 [2, rows], gets each row's mean and inverse deviation.
    func deviceResidualNorm(
        adding branch: Tensor, _ mask: DropoutMask, weight: Tensor, bias: Tensor, epsilon: Double, statistics: Tensor
    ) throws -> Tensor {
        let (rows, columns) = (statistics.size(1), size(-1))
        let output = try emptyLike()
        try DeviceKernels.launch(
            "residual_norm", of: dtype, on: device,
            KernelShape(grid: ((rows + Self.normWarps - 1) / Self.normWarps, 1), threads: 32 * Self.normWarps),
            .tensor(self), .tensor(branch), .tensor(weight), .tensor(bias), .tensor(output),
            .tensor(statistics.selected(0, 0)), .tensor(statistics.selected(0, 1)), .int64(rows), .int32(columns),
            .optional(mask.seed.base), .uint64(mask.seed.offset), .uint32(mask.bound), .float(mask.scale),
            .float(epsilon))
        return output
    }

    /// The gradients of this tensor, the branch, weight and bias.
    func deviceResidualNormBackward(
        _ gradient: Tensor, branch: Tensor, _ mask: DropoutMask, weight: Tensor, statistics: Tensor
    ) throws -> [Tensor] {
        let (rows, columns) = (statistics.size(1), size(-1))
        let own = try emptyLike()
        // Without dropout both inputs have the same gradient.
        let other = try mask.bound > 0 ? emptyLike() : own
        // About four blocks for each multiprocessor of a large GPU; a function of the shape alone, as the sums' order is.
        let blocks = min((rows + Self.normWarps - 1) / Self.normWarps, 528)
        let sums = try Tensor.empty([blocks, 2 * columns], device: device)
        try DeviceKernels.launch(
            columns > 768 ? "residual_norm_backward_wide" : "residual_norm_backward", of: dtype, on: device,
            KernelShape(grid: (blocks, 1), threads: 32 * Self.normWarps), .tensor(self), .tensor(branch),
            .tensor(weight), .tensor(statistics.selected(0, 0)), .tensor(statistics.selected(0, 1)),
            .tensor(gradient), .tensor(own), .tensor(other), .tensor(sums), .int64(rows), .int32(columns),
            .optional(mask.seed.base), .uint64(mask.seed.offset), .uint32(mask.bound), .float(mask.scale))
        let both = try sums.deviceColumnSums(as: dtype).viewed(2, columns)
        return [own, other, try both.selected(0, 0), try both.selected(0, 1)]
    }
}
