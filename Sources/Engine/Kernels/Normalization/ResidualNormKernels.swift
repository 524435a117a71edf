import W2VTorch

extension KernelSource {
    fileprivate static let residualNorm = KernelSource("ResidualNorm.cu", PackageResources.ResidualNorm_cu)
}

/// LayerNorm of a residual plus the dropout of a branch; one warp per row, whose elements stay in its registers.
struct ResidualNormKernel: DeviceKernel {
    let residual: Tensor
    let branch: Tensor
    let weight: Tensor
    let bias: Tensor
    let output: Tensor
    /// FP32 [rows], as the next.
    let means: Tensor
    let inverses: Tensor
    let mask: DropoutMask
    let epsilon: Double

    /// The rows that a block processes at a time, one per warp.
    static let warps = 4
    /// The elements that a lane reads at once, and its maximum number of steps.
    private static let (laneWidth, laneSteps) = (4, 8)

    /// Returns whether a row of this many elements fits a warp's registers.
    static func supports(columns: Int) -> Bool { columns % laneWidth == 0 && columns <= 32 * laneWidth * laneSteps }

    static let name = "residual_norm"
    static let source = KernelSource.residualNorm
    static let threads = 32 * warps
    static let constants = ["NORM_WARPS": warps, "LANE_WIDTH": laneWidth, "LANE_STEPS": laneSteps]
    static let parameters: [KernelParameter<Self>] = [
        .reads("residual", \.residual), .reads("branch", \.branch), .reads("weight", \.weight),
        .reads("bias", \.bias), .writes("output", \.output), .writes("means", as: .float, \.means),
        .writes("inverses", as: .float, \.inverses), .int64("rows", \.means.count),
        .int32("columns") { $0.residual.size(-1) },
        .reads("base", as: .seed, \.mask.seed.base), .uint64("offset", \.mask.seed.offset),
        .uint32("bound", \.mask.bound), .float("scale", \.mask.scale), .float("epsilon", \.epsilon),
    ]
    var shape: KernelShape {
        KernelShape(grid: ((means.count + Self.warps - 1) / Self.warps, 1), threads: Self.threads)
    }
}

/// The gradients of both inputs, and each block's sums of the gradients of weight, bias and, if they are wanted, branch.
struct ResidualNormBackwardKernel: DeviceKernel {
    let residual: Tensor
    let branch: Tensor
    let weight: Tensor
    /// FP32 [rows], as the next.
    let means: Tensor
    let inverses: Tensor
    let gradient: Tensor
    /// To be added to the gradient, if there is one.
    let second: Tensor?
    let residualGradient: Tensor
    let branchGradient: Tensor
    /// FP32 [blocks, 2 or 3, columns].
    let sums: Tensor
    let mask: DropoutMask

    /// Returns the number of blocks: about five for each multiprocessor of a large GPU.
    ///
    /// It depends on the shape only, like the order of the sums.
    static func blocks(rows: Int) -> Int { min((rows + ResidualNormKernel.warps - 1) / ResidualNormKernel.warps, 660) }

    /// The steps of rows of up to 768 elements, which need fewer registers.
    private static let narrowSteps = 6

    static let name = "residual_norm_backward"
    static let variants = ["", "_wide"]
    var variant: String { residual.size(-1) > 128 * Self.narrowSteps ? "_wide" : "" }

    static let source = KernelSource.residualNorm
    static let threads = ResidualNormKernel.threads
    static let constants = ["NARROW_STEPS": narrowSteps]
    static let parameters: [KernelParameter<Self>] = [
        .reads("residual", \.residual), .reads("branch", \.branch), .reads("weight", \.weight),
        .reads("means", as: .float, \.means), .reads("inverses", as: .float, \.inverses),
        .reads("gradient", \.gradient), .reads("second", \.second),
        .writes("residual_gradient", \.residualGradient), .writes("branch_gradient", \.branchGradient),
        .writes("sums", as: .float, \.sums), .int64("rows", \.means.count), .int32("columns") { $0.residual.size(-1) },
        .int32("sum_count") { $0.sums.size(1) },
        .reads("base", as: .seed, \.mask.seed.base), .uint64("offset", \.mask.seed.offset),
        .uint32("bound", \.mask.bound), .float("scale", \.mask.scale),
    ]
    var shape: KernelShape { KernelShape(grid: (sums.size(0), 1), threads: Self.threads) }
}
