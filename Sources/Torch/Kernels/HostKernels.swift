import CKernels
import CLibTorch

// Elementwise parts that LibTorch runs on one thread or in several passes over memory, in kernels of our own. They
// take contiguous FP32 in host memory; anything else goes through LibTorch's operators, which define the results.

/// Calls `body` with the addresses of the elements of contiguous tensors in host memory.
func withAddresses(_ tensors: Tensor..., body: ([UnsafeMutableRawPointer]) throws -> Void) throws {
    try withAddresses(tensors, body)
}

private func withAddresses(_ tensors: [Tensor], _ body: ([UnsafeMutableRawPointer]) throws -> Void) throws {
    try withExtendedLifetime(tensors) {
        try body(
            try tensors.map { tensor in
                var address: UnsafeMutableRawPointer?
                try TorchError.check(ct_tensor_data(tensor.handle, &address))
                guard let address else { throw TorchError.runtime("\(tensor) has no elements in host memory") }
                return address
            })
    }
}

/// Calls `body` with the addresses of tensors for which ``Tensor/fitsHostKernels`` holds.
func withFloats(_ tensors: Tensor..., body: ([UnsafeMutablePointer<Float>]) throws -> Void) throws {
    try withAddresses(tensors) { try body($0.map { $0.assumingMemoryBound(to: Float.self) }) }
}

/// One dropout: which elements it drops, as a pure function of a seed.
struct DropoutMask {
    let seed: DropoutSeed
    let probability: Double

    init(_ seed: DropoutSeed, _ probability: Double) {
        self.seed = seed
        self.probability = probability
    }

    /// Drops nothing.
    static let none = DropoutMask(DropoutSeed(offset: 0), 0)
}

extension Tensor {
    /// Whether the tensor is what the kernels take: contiguous FP32 elements in host memory, at least one.
    public var fitsHostKernels: Bool { dtype == .float32 && device == .cpu && isContiguous && count > 0 }

    private static var kernelThreads: Int32 { Int32(LibTorch.threads) }

    private func mapped(_ body: (_ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>) -> Void) throws
        -> Tensor
    {
        let output = try emptyLike()
        try withFloats(self, output) { body($0[0], $0[1]) }
        return output
    }

    private func mapped(
        with gradient: Tensor,
        _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) throws -> Tensor {
        let output = try emptyLike()
        try withFloats(self, gradient.contiguous(), output) { body($0[0], $0[1], $0[2]) }
        return output
    }

    /// The kernel of ``droppingOut(_:_:)``, not recorded.
    func hostDroppingOut(_ mask: DropoutMask) throws -> Tensor {
        let seed = try mask.seed.number()
        return try mapped { ck_dropout($0, $1, Int64(count), seed, mask.probability, Self.kernelThreads) }
    }

    /// The kernel of ``gelu()``, differentiable once; it keeps its input only.
    func hostGELU() throws -> Tensor {
        let count = Int64(count)
        return try differentiable("GELU", [self]) {
            (
                [try hostGELUValues()],
                { gradients, _ in
                    try [
                        gradients[0].map {
                            try mapped(with: $0) { ck_gelu_backward($0, $1, $2, count, Self.kernelThreads) }
                        }
                    ]
                }
            )
        }[0]
    }

    /// Dropout of the elements' GELU, not recorded.
    func hostGELUDropped(_ mask: DropoutMask) throws -> Tensor {
        guard mask.probability > 0 else { return try hostGELUValues() }
        let seed = try mask.seed.number()
        return try mapped { ck_gelu_dropout($0, $1, Int64(count), seed, mask.probability, Self.kernelThreads) }
    }

    /// The gradient of ``hostGELUDropped(_:)`` at this input, written over the output's gradient.
    func hostGELUDropoutBackward(into gradient: Tensor, _ mask: DropoutMask) throws {
        guard mask.probability > 0 else {
            _ = try hostGELUBackward(into: gradient)
            return
        }
        let seed = try mask.seed.number()
        try withFloats(self, gradient) {
            ck_gelu_dropout_backward($0[0], $0[1], $0[1], Int64(count), seed, mask.probability, Self.kernelThreads)
        }
    }

    /// The kernel of ``geluBackward(_:)``, in the gradient's place.
    func hostGELUBackward(into gradient: Tensor) throws -> Tensor {
        try withFloats(self, gradient) { ck_gelu_backward($0[0], $0[1], $0[1], Int64(count), Self.kernelThreads) }
        return gradient
    }

    /// GELU of elements in host memory, not recorded.
    func hostGELUValues() throws -> Tensor {
        try mapped { ck_gelu($0, $1, Int64(count), Self.kernelThreads) }
    }

    /// LayerNorm of this tensor plus the dropout of another, not recorded.
    ///
    /// `statistics`, [2, rows], gets each row's mean and inverse deviation.
    func hostResidualNorm(
        adding branch: Tensor, _ mask: DropoutMask, weight: Tensor, bias: Tensor, epsilon: Double, statistics: Tensor
    ) throws -> Tensor {
        let (rows, columns) = (statistics.size(1), size(-1))
        let output = try emptyLike()
        let seed = try mask.seed.number()
        try withFloats(self, branch, weight, bias, output, statistics) {
            ck_residual_norm(
                $0[0], $0[1], $0[2], $0[3], $0[4], $0[5], $0[5] + rows, Int64(rows), Int64(columns), seed,
                mask.probability, epsilon, Self.kernelThreads)
        }
        return output
    }

    /// The gradients of this tensor, the branch, weight and bias.
    func hostResidualNormBackward(
        _ gradient: Tensor, branch: Tensor, _ mask: DropoutMask, weight: Tensor, statistics: Tensor
    ) throws -> [Tensor] {
        let (rows, columns) = (statistics.size(1), size(-1))
        let own = try emptyLike()
        // Without dropout both inputs have the same gradient.
        let results = try [own, mask.probability > 0 ? emptyLike() : own, weight.emptyLike(), weight.emptyLike()]
        let seed = try mask.seed.number()
        let scratch = try Tensor.empty([Int(ck_residual_norm_scratch(Int64(rows), Int64(columns)))])
        try withFloats(
            self, branch, weight, statistics, gradient, results[0], results[1], results[2], results[3], scratch
        ) {
            ck_residual_norm_backward(
                $0[0], $0[1], $0[2], $0[3], $0[3] + rows, $0[4], $0[5], $0[6], $0[7], $0[8], $0[9], Int64(rows),
                Int64(columns), seed, mask.probability, Self.kernelThreads)
        }
        return results
    }
}
