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
    let seed: UInt64
    let probability: Double

    init(_ seed: DropoutSeed, _ probability: Double) {
        self.seed = UInt64(bitPattern: seed.value)
        self.probability = probability
    }

    /// Drops nothing.
    static let none = DropoutMask(DropoutSeed(value: 0), 0)
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
        try mapped { ck_dropout($0, $1, Int64(count), mask.seed, mask.probability, Self.kernelThreads) }
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

    /// The kernel of ``geluDropoutLinear(_:_:weight:bias:)``, differentiable once; of the two activations it keeps the input
    /// only, and computes the other one again.
    func hostGELUDropoutLinear(_ mask: DropoutMask, weight: Tensor, bias: Tensor?) throws -> Tensor {
        let count = Int64(count)
        func activated() throws -> Tensor {
            try mapped {
                if mask.probability > 0 {
                    ck_gelu_dropout($0, $1, count, mask.seed, mask.probability, Self.kernelThreads)
                } else {
                    ck_gelu($0, $1, count, Self.kernelThreads)
                }
            }
        }
        return try differentiable("GELU, dropout and linear", [self, weight] + (bias.map { [$0] } ?? [])) {
            (
                [try activated().linear(weight, bias: bias)],
                { gradients, needed in
                    guard let gradient = gradients[0] else { return needed.map { _ in nil } }
                    let rows = try gradient.reshaped(-1, weight.size(0))
                    var results: [Tensor?] = [nil, nil]
                    if needed[1] { results[1] = try rows.transposed().matmul(activated().viewed(-1, weight.size(1))) }
                    if needed[0] {
                        let incoming = try rows.matmul(weight).viewed(shape)
                        try withFloats(self, incoming) {
                            if mask.probability > 0 {
                                ck_gelu_dropout_backward(
                                    $0[0], $0[1], $0[1], count, mask.seed, mask.probability, Self.kernelThreads)
                            } else {
                                ck_gelu_backward($0[0], $0[1], $0[1], count, Self.kernelThreads)
                            }
                        }
                        results[0] = incoming
                    }
                    return results + (bias == nil ? [] : [needed[2] ? try rows.sum(0) : nil])
                }
            )
        }[0]
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

    /// LayerNorm of this tensor plus the dropout of another, differentiable once; it keeps both inputs and two numbers
    /// a row.
    func hostResidualNorm(
        adding branch: Tensor, _ mask: DropoutMask, weight: Tensor, bias: Tensor, epsilon: Double
    ) throws -> Tensor {
        let columns = size(-1)
        let rows = count / columns
        let statistics = try Tensor.empty([2, rows])
        return try differentiable("residual LayerNorm", [self, branch, weight, bias]) {
            let output = try emptyLike()
            try withFloats(self, branch, weight, bias, output, statistics) {
                ck_residual_norm(
                    $0[0], $0[1], $0[2], $0[3], $0[4], $0[5], $0[5] + rows, Int64(rows), Int64(columns), mask.seed,
                    mask.probability, epsilon, Self.kernelThreads)
            }
            return (
                [output],
                { gradients, _ in
                    guard let gradient = try gradients[0]?.contiguous() else { return [nil, nil, nil, nil] }
                    let own = try emptyLike()
                    // Without dropout both inputs have the same gradient.
                    let results = try [
                        own, mask.probability > 0 ? emptyLike() : own, weight.emptyLike(), bias.emptyLike(),
                    ]
                    let scratch = try Tensor.empty([Int(ck_residual_norm_scratch(Int64(rows), Int64(columns)))])
                    try withFloats(
                        self, branch, weight, statistics, gradient, results[0], results[1], results[2], results[3],
                        scratch
                    ) {
                        ck_residual_norm_backward(
                            $0[0], $0[1], $0[2], $0[3], $0[3] + rows, $0[4], $0[5], $0[6], $0[7], $0[8], $0[9],
                            Int64(rows), Int64(columns), mask.seed, mask.probability, Self.kernelThreads)
                    }
                    return results
                }
            )
        }[0]
    }
}
