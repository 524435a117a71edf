@testable import W2VKernels

/// Calls `body` with LibTorch's operators in place of the kernels for host memory.
public func withLibTorchsOperators<Result>(_ body: () throws -> Result) rethrows -> Result {
    try HostKernels.$areUsed.withValue(false) { try body() }
}
