extension Tensor {
    /// Returns the given rows, each taken at most once; gradients go back to their rows.
    ///
    /// - Parameter indices: Distinct row numbers, int64.
    /// - Throws: `TorchError.operation` for an index out of range.
    public func takingRows(_ indices: Tensor) throws -> Tensor {
        let shape = shape
        return try differentiable("row selection", [self]) {
            (
                [try taking(indices)],
                { gradients, _ in
                    guard let gradient = gradients[0] else { return [nil] }
                    return [
                        try Tensor.zeros(shape, dtype: gradient.dtype, device: gradient.device)
                            .replacing(indices, with: gradient)
                    ]
                }
            )
        }[0]
    }

    /// Places rows into a larger matrix of zeros; the inverse of ``takingRows(_:)``.
    ///
    /// - Parameters:
    ///   - indices: The destination of each row, distinct, int64.
    ///   - count: The rows of the larger matrix.
    /// - Throws: `TorchError.operation` for an index beyond `count`, or when rows and indices differ in number.
    public func placingRows(at indices: Tensor, in count: Int) throws -> Tensor {
        try differentiable("row placement", [self]) {
            let zeros = try Tensor.zeros([count] + Array(shape.dropFirst()), dtype: dtype, device: device)
            return (
                [try zeros.replacing(indices, with: self)],
                { gradients, _ in try [gradients[0].map { try $0.taking(indices) }] }
            )
        }[0]
    }
}
