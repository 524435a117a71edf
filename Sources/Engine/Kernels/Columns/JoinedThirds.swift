import W2VTorch

/// Three matrices [rows, columns] joined as the thirds of one, with the sums of its columns: the gradients of queries,
/// keys and values, and that of the projection's bias.
struct JoinedThirds: FusedOperation {
    let parts: [Tensor]

    typealias Passes = () throws -> (joined: Tensor, sums: Tensor)

    var onDevice: Passes? {
        let (rows, columns) = (parts[0].size(0), parts[0].size(1))
        guard columns % ColumnBlocks.width == 0, parts[0].fitsDeviceKernels(with: Array(parts.dropFirst())) else {
            return nil
        }
        return {
            let (dtype, device) = (parts[0].dtype, parts[0].device)
            let joined = try Tensor.empty([rows, 3 * columns], dtype: dtype, device: device)
            var shape = ColumnBlocks.shape(rows, columns)
            shape.grid.y *= 3
            let sums = try Tensor.empty([shape.grid.x, 3 * columns], device: device)
            try JoinThirdsKernel(parts: parts, joined: joined, sums: sums, shape: shape).launch()
            return (joined, try sums.deviceColumnSums(as: dtype))
        }
    }
}

struct JoinThirdsKernel: DeviceKernel {
    let parts: [Tensor]
    let joined: Tensor
    let sums: Tensor
    let shape: KernelShape

    static let name = "join_thirds"
    static let source = KernelSource.columns
    static let threads = ColumnBlocks.threads
    static let constants = ColumnBlocks.constants
    static let parameters: [KernelParameter<Self>] = [
        .reads("first") { $0.parts[0] }, .reads("second") { $0.parts[1] }, .reads("third") { $0.parts[2] },
        .writes("result", \.joined), .writes("sums", as: .float, \.sums), .int64("rows") { $0.parts[0].size(0) },
        .int32("columns") { $0.parts[0].size(1) },
    ]
}

extension Tensor {
    /// ``JoinedThirds`` of three matrices of one shape.
    static func joiningThirds(_ parts: [Tensor]) throws -> (joined: Tensor, sums: Tensor) {
        if let kernels = try JoinedThirds(parts: parts).kernels { return try kernels() }
        let joined = try Tensor.concatenate(parts, 1)
        return (joined, try joined.sum(0))
    }
}
