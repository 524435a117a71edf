import W2VTorch

/// The replacement of rows by one vector, the learned input of the context network for masked frames.
struct RowReplacement: FusedOperation {
    /// [rows, columns].
    let input: Tensor
    /// The rows to replace, bool [rows, 1].
    let flags: Tensor
    /// [columns].
    let vector: Tensor

    var onDevice: BothPasses? {
        guard input.rank == 2, input.fitsDeviceKernels(with: [vector]), vector.count == input.size(1),
            input.size(1) % ColumnBlocks.width == 0, flags.count == input.size(0), flags.isContiguous,
            flags.dtype == .bool
        else { return nil }
        return BothPasses(
            forward: {
                let output = try input.emptyLike()
                try MaskRowsKernel(input: input, masked: flags, vector: vector, output: output).launch()
                return [output]
            },
            backward: { gradients, _ in
                guard let gradient = try gradients[0]?.contiguous() else { return [nil, nil] }
                let own = try gradient.emptyLike()
                let shape = ColumnBlocks.shape(gradient.size(0), gradient.size(1))
                let sums = try Tensor.empty([shape.grid.x, gradient.size(1)], device: gradient.device)
                try MaskRowsBackwardKernel(gradient: gradient, masked: flags, result: own, sums: sums, shape: shape)
                    .launch()
                return [own, try sums.deviceColumnSums(as: gradient.dtype)]
            })
    }
}

extension KernelSource {
    fileprivate static let masking = KernelSource("Masking.cu", PackageResources.Masking_cu)
}

struct MaskRowsKernel: DeviceKernel {
    let input: Tensor
    let masked: Tensor
    let vector: Tensor
    let output: Tensor

    static let name = "mask_rows"
    static let source = KernelSource.masking
    static let threads = 256
    static let parameters: [KernelParameter<Self>] = [
        .reads("input", \.input), .reads("masked", as: .truth, \.masked), .reads("vector", \.vector),
        .writes("output", \.output), .int64("count", \.input.count), .int32("columns", \.vector.count),
    ]
    var shape: KernelShape { .elementwise(input.count) }
}

/// The input's gradient, and each block's sums [columns] of the vector's gradient.
struct MaskRowsBackwardKernel: DeviceKernel {
    let gradient: Tensor
    let masked: Tensor
    let result: Tensor
    let sums: Tensor
    let shape: KernelShape

    static let name = "mask_rows_backward"
    static let source = KernelSource.masking
    static let threads = ColumnBlocks.threads
    static let constants = ColumnBlocks.constants
    static let parameters: [KernelParameter<Self>] = [
        .reads("gradient", \.gradient), .reads("masked", as: .truth, \.masked), .writes("result", \.result),
        .writes("sums", as: .float, \.sums), .int64("rows") { $0.gradient.size(0) },
        .int32("columns") { $0.gradient.size(1) },
    ]
}

extension Tensor {
    /// Replaces rows by a vector.
    ///
    /// - Parameters:
    ///   - flags: The rows to replace, bool [rows, 1].
    ///   - vector: The replacement, [columns], of this tensor's type.
    /// - Returns: [rows, columns].
    /// - Throws: `TorchError.operation` for sizes that do not match.
    public func replacingRows(where flags: Tensor, with vector: Tensor) throws -> Tensor {
        guard let kernels = try RowReplacement(input: self, flags: flags, vector: vector).kernels else {
            return try .choose(flags, vector, else: self)
        }
        return try kernels.recorded("rows replaced by a vector", [self, vector])[0]
    }
}
