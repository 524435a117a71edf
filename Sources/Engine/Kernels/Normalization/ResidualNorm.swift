import CW2VKernels
import W2VTorch

/// LayerNorm of a residual plus the dropout of a branch, in one pass over memory each way.
///
/// This is the end of each half of a post-norm transformer layer. It keeps both inputs and two numbers per row. Without
/// a branch it is LayerNorm alone, which has a kernel for FP32 in host memory because LibTorch's own sums the gradients
/// of weight and bias row by row, which costs accuracy with many rows.
struct ResidualNorm: FusedOperation {
    let residual: Tensor
    let branch: Tensor?
    let mask: DropoutMask
    let weight: Tensor
    let bias: Tensor
    let epsilon: Double
    /// The bias that was added to the branch last, unrecorded, [columns]: its gradient comes with the branch's.
    var branchBias: Tensor?
    /// Whether the output is handed out twice, to two readers: their gradients are then added where they are read.
    var isForked = false

    var onHost: BothPasses? {
        get throws {
            guard hasColumns, branchBias == nil, !isForked,
                residual.fitsElementwiseHostKernels(with: [branch, weight, bias]),
                branch != nil || residual.dtype == .float32
            else { return nil }
            return try passes(outputOnHost) { gradients, statistics in
                let found = try gradientsOnHost(gradients[0], statistics)
                return branch == nil ? [found[0], found[2], found[3]] : found
            }
        }
    }

    var onDevice: BothPasses? {
        get throws {
            guard let branch, supportsGPU, branch.fitsDeviceKernels, branch.dtype == residual.dtype,
                branch.device == residual.device
            else { return nil }
            return try passes({ try outputOnDevice(branch, $0) }, { try gradientsOnDevice($0, branch, $1) })
        }
    }

    private var hasColumns: Bool { residual.size(-1) == weight.count }

    /// Whether the kernels for GPUs support the residual with any branch like it.
    var supportsGPU: Bool {
        hasColumns && residual.fitsDeviceKernels(with: [weight, bias, branchBias])
            && ResidualNormKernel.supports(columns: weight.count)
    }

    /// Makes the passes from those that take `statistics`, FP32 [2, rows]: each row's mean and inverse deviation; the
    /// second takes the gradients of the output's readers.
    private func passes(
        _ output: @escaping (_ statistics: Tensor) throws -> Tensor,
        _ gradients: @escaping (_ gradients: [Tensor], _ statistics: Tensor) throws -> [Tensor]
    ) throws -> BothPasses {
        let statistics = try Tensor.empty([2, residual.count / residual.size(-1)], device: residual.device)
        return BothPasses(
            forward: {
                let output = try output(statistics)
                return isForked ? [output, output] : [output]
            },
            backward: { incoming, needed in
                let arrived = try incoming.compactMap { try $0?.contiguous() }
                return arrived.isEmpty ? needed.map { _ in nil } : try gradients(arrived, statistics)
            })
    }

    // MARK: In host memory

    private func outputOnHost(_ statistics: Tensor) throws -> Tensor {
        let (rows, columns) = (statistics.size(1), residual.size(-1))
        let output = try residual.emptyLike()
        let seed = try mask.seed.number()
        let (gain, shift) = (try weight.to(dtype: .float32), try bias.to(dtype: .float32))
        let scratch = try Tensor.empty([Int(ck_residual_norm_scratch(Int64(columns), HostKernels.threads))])
        try withAddresses(residual, branch ?? residual, output) { rowsOf in
            try withFloats(gain, shift, statistics, scratch) {
                ck_residual_norm(
                    rowsOf[0], branch == nil ? nil : rowsOf[1], $0[0], $0[1], rowsOf[2], residual.kernelFormat, $0[2],
                    $0[2] + rows, Int64(rows), Int64(columns), seed, mask.probability, epsilon, $0[3],
                    HostKernels.threads)
            }
        }
        return output
    }

    /// Returns the gradients of residual, branch, weight and bias.
    private func gradientsOnHost(_ gradient: Tensor, _ statistics: Tensor) throws -> [Tensor] {
        let (rows, columns) = (statistics.size(1), residual.size(-1))
        let own = try residual.emptyLike()
        // Without dropout both inputs have the same gradient.
        let other = try mask.probability > 0 ? residual.emptyLike() : own
        let gain = try weight.to(dtype: .float32)
        let (gains, shifts) = (try gain.emptyLike(), try gain.emptyLike())
        let seed = try mask.seed.number()
        let scratch = try Tensor.empty([Int(ck_residual_norm_backward_scratch(Int64(rows), Int64(columns)))])
        try withAddresses(residual, branch ?? residual, gradient, own, other) { rowsOf in
            try withFloats(gain, statistics, gains, shifts, scratch) {
                ck_residual_norm_backward(
                    rowsOf[0], branch == nil ? nil : rowsOf[1], $0[0], $0[1], $0[1] + rows, rowsOf[2], rowsOf[3],
                    rowsOf[4], residual.kernelFormat, $0[2], $0[3], $0[4], Int64(rows), Int64(columns), seed,
                    mask.probability, HostKernels.threads)
            }
        }
        return try [own, other, gains.to(dtype: weight.dtype), shifts.to(dtype: weight.dtype)]
    }

    // MARK: On GPUs

    private func outputOnDevice(_ branch: Tensor, _ statistics: Tensor) throws -> Tensor {
        let output = try residual.emptyLike()
        try ResidualNormKernel(
            residual: residual, branch: branch, weight: weight, bias: bias, output: output,
            means: statistics.selected(0, 0), inverses: statistics.selected(0, 1), mask: mask, epsilon: epsilon
        ).launch()
        return output
    }

    /// Returns the gradients of residual, branch, weight and bias, and of the branch's bias if there is one.
    private func gradientsOnDevice(_ gradients: [Tensor], _ branch: Tensor, _ statistics: Tensor) throws -> [Tensor] {
        let (rows, columns) = (statistics.size(1), residual.size(-1))
        let own = try residual.emptyLike()
        // Without dropout both inputs have the same gradient.
        let other = try mask.bound > 0 ? residual.emptyLike() : own
        let sumCount = branchBias == nil ? 2 : 3
        let sums = try Tensor.empty(
            [ResidualNormBackwardKernel.blocks(rows: rows), sumCount, columns], device: residual.device)
        try ResidualNormBackwardKernel(
            residual: residual, branch: branch, weight: weight, means: statistics.selected(0, 0),
            inverses: statistics.selected(0, 1), gradient: gradients[0],
            second: gradients.count > 1 ? gradients[1] : nil, residualGradient: own, branchGradient: other, sums: sums,
            mask: mask
        ).launch()
        let totals = try sums.viewed(-1, sumCount * columns).deviceColumnSums(as: residual.dtype)
            .viewed(sumCount, columns)
        return try [own, other] + (0..<sumCount).map { try totals.selected(0, $0) }
    }
}
