import CKernels
import Torch

// Elementwise parts that LibTorch runs on one thread or in several passes over memory, in kernels of our own. They
// take contiguous FP32 or BF16 in host memory; anything else goes through LibTorch's operators, which define the results.

/// Whether kernels of our own compute, and not LibTorch's operators, which tests compare them with.
enum HostKernels {
    @TaskLocal static var areUsed = true
}

/// Calls `body` with the addresses of the elements of contiguous tensors in host memory.
func withAddresses(_ tensors: Tensor..., body: ([UnsafeMutableRawPointer]) throws -> Void) throws {
    try withAddresses(tensors, body)
}

private func withAddresses(_ tensors: [Tensor], _ body: ([UnsafeMutableRawPointer]) throws -> Void) throws {
    try withExtendedLifetime(tensors) {
        try body(tensors.map { try $0.address() })
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
    /// Whether the tensor is what all kernels take: contiguous FP32 elements in host memory, at least one.
    public var fitsHostKernels: Bool { dtype == .float32 && isContiguousInHostMemory }

    /// Whether the tensor is what elementwise kernels take: FP32 or BF16.
    public var fitsElementwiseHostKernels: Bool {
        (dtype == .float32 || dtype == .bfloat16) && isContiguousInHostMemory
    }

    private var isContiguousInHostMemory: Bool { HostKernels.areUsed && device == .cpu && isContiguous && count > 0 }

    /// How elementwise kernels are told the format.
    var kernelFormat: ck_format { dtype == .bfloat16 ? CK_BFLOAT16 : CK_FLOAT32 }

    private static var kernelThreads: Int32 { Int32(LibTorch.threads) }

    private func mapped(
        _ body: (_ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, ck_format) -> Void
    ) throws -> Tensor {
        let output = try emptyLike()
        try withAddresses(self, output) { body($0[0], $0[1], kernelFormat) }
        return output
    }

    private func mapped(
        with gradient: Tensor,
        _ body: (UnsafeRawPointer, UnsafeRawPointer, UnsafeMutableRawPointer, ck_format) -> Void
    ) throws -> Tensor {
        let output = try emptyLike()
        try withAddresses(self, gradient.to(dtype: dtype).contiguous(), output) {
            body($0[0], $0[1], $0[2], kernelFormat)
        }
        return output
    }

    /// The kernel of ``droppingOut(_:_:)``, not recorded.
    func hostDroppingOut(_ mask: DropoutMask) throws -> Tensor {
        let seed = try mask.seed.number()
        return try mapped { ck_dropout($0, $1, $2, Int64(count), seed, mask.probability, Self.kernelThreads) }
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
                            try mapped(with: $0) { ck_gelu_backward($0, $1, $2, $3, count, Self.kernelThreads) }
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
        return try mapped { ck_gelu_dropout($0, $1, $2, Int64(count), seed, mask.probability, Self.kernelThreads) }
    }

    /// The gradient of ``hostGELUDropped(_:)`` at this input, written over the output's gradient.
    func hostGELUDropoutBackward(into gradient: Tensor, _ mask: DropoutMask) throws {
        guard mask.probability > 0 else {
            _ = try hostGELUBackward(into: gradient)
            return
        }
        let seed = try mask.seed.number()
        try withAddresses(self, gradient) {
            ck_gelu_dropout_backward(
                $0[0], $0[1], $0[1], kernelFormat, Int64(count), seed, mask.probability, Self.kernelThreads)
        }
    }

    /// The kernel of ``geluBackward(_:)``, in the gradient's place.
    func hostGELUBackward(into gradient: Tensor) throws -> Tensor {
        try withAddresses(self, gradient) {
            ck_gelu_backward($0[0], $0[1], $0[1], kernelFormat, Int64(count), Self.kernelThreads)
        }
        return gradient
    }

    /// GELU of elements in host memory, not recorded.
    func hostGELUValues() throws -> Tensor {
        try mapped { ck_gelu($0, $1, $2, Int64(count), Self.kernelThreads) }
    }

    /// LayerNorm of this tensor plus the dropout of another, if there is one, not recorded.
    ///
    /// `statistics`, [2, rows], gets each row's mean and inverse deviation.
    func hostResidualNorm(
        adding branch: Tensor?, _ mask: DropoutMask, weight: Tensor, bias: Tensor, epsilon: Double, statistics: Tensor
    ) throws -> Tensor {
        let (rows, columns) = (statistics.size(1), size(-1))
        let output = try emptyLike()
        let seed = try mask.seed.number()
        let (gain, shift) = (try weight.to(dtype: .float32), try bias.to(dtype: .float32))
        let scratch = try Tensor.empty([Int(ck_residual_norm_scratch(Int64(columns), Self.kernelThreads))])
        try withAddresses(self, branch ?? self, output) { rowsOf in
            try withFloats(gain, shift, statistics, scratch) {
                ck_residual_norm(
                    rowsOf[0], branch == nil ? nil : rowsOf[1], $0[0], $0[1], rowsOf[2], kernelFormat, $0[2],
                    $0[2] + rows, Int64(rows),
                    Int64(columns), seed, mask.probability, epsilon, $0[3], Self.kernelThreads)
            }
        }
        return output
    }

    /// The gradients of this tensor, the branch, weight and bias.
    func hostResidualNormBackward(
        _ gradient: Tensor, branch: Tensor?, _ mask: DropoutMask, weight: Tensor, statistics: Tensor
    ) throws -> [Tensor] {
        let (rows, columns) = (statistics.size(1), size(-1))
        let own = try emptyLike()
        // Without dropout both inputs have the same gradient.
        let other = try mask.probability > 0 ? emptyLike() : own
        let gain = try weight.to(dtype: .float32)
        let (gains, shifts) = (try gain.emptyLike(), try gain.emptyLike())
        let seed = try mask.seed.number()
        let scratch = try Tensor.empty([Int(ck_residual_norm_backward_scratch(Int64(rows), Int64(columns)))])
        try withAddresses(self, branch ?? self, gradient, own, other) { rowsOf in
            try withFloats(gain, statistics, gains, shifts, scratch) {
                ck_residual_norm_backward(
                    rowsOf[0], branch == nil ? nil : rowsOf[1], $0[0], $0[1], $0[1] + rows, rowsOf[2], rowsOf[3],
                    rowsOf[4], kernelFormat,
                    $0[2], $0[3], $0[4], Int64(rows), Int64(columns), seed, mask.probability, Self.kernelThreads)
            }
        }
        return try [own, other, gains.to(dtype: weight.dtype), shifts.to(dtype: weight.dtype)]
    }
}
