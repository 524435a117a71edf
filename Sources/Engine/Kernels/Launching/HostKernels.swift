import CW2VKernels
import W2VTorch

// The kernels of `CKernels` take contiguous FP32 or BF16 in host memory; anything else goes through LibTorch's operators,
// which define the results.

enum HostKernels {
    /// Whether kernels of our own compute, and not LibTorch's operators, which tests compare them with.
    @TaskLocal static var areUsed = true

    /// How many threads share a kernel's work.
    static var threads: Int32 { Int32(LibTorch.threads) }
}

/// Calls `body` with the addresses of the elements of contiguous tensors in host memory.
func withAddresses(_ tensors: Tensor..., body: ([UnsafeMutableRawPointer]) throws -> Void) throws {
    try withAddresses(tensors, body)
}

private func withAddresses(_ tensors: [Tensor], _ body: ([UnsafeMutableRawPointer]) throws -> Void) throws {
    try withExtendedLifetime(tensors) { try body(tensors.map { try $0.address() }) }
}

/// Calls `body` with the addresses of tensors for which ``Tensor/fitsHostKernels`` holds.
func withFloats(_ tensors: Tensor..., body: ([UnsafeMutablePointer<Float>]) throws -> Void) throws {
    try withAddresses(tensors) { try body($0.map { $0.assumingMemoryBound(to: Float.self) }) }
}

extension Tensor {
    /// The number of the format for elementwise kernels in host memory.
    var kernelFormat: ck_format { dtype == .bfloat16 ? CK_BFLOAT16 : CK_FLOAT32 }
}
