import CW2VKernels
import W2VTorch

// The kernels of `CKernels` support contiguous FP32 or BF16 in host memory; everything else uses LibTorch's operators,
// which define the results.

enum HostKernels {
    /// Whether our own kernels compute; tests turn them off to compare them with LibTorch's operators.
    @TaskLocal static var areUsed = true

    /// The number of threads that share a kernel's work.
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
    /// The tensor's format in the terms of elementwise kernels in host memory.
    var kernelFormat: ck_format { dtype == .bfloat16 ? CK_BFLOAT16 : CK_FLOAT32 }
}
