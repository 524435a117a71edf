import Foundation
import Synchronization
import W2VTorch

extension Tensor {
    /// Counts the tensor's subnormal numbers by their bits.
    public func subnormalCount() throws -> Int {
        try elements(Float.self).reduce(0) { $0 + ($1.isSubnormal ? 1 : 0) }
    }
}

/// Runs `body` on a new thread that computes with subnormal numbers, like a program that uses the libraries.
///
/// The test program's own threads have inherited from its first one that these numbers are treated as zero.
public func withSubnormals<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) throws -> Result {
    let result = Mutex<Swift.Result<Result, any Error>?>(nil)
    let done = DispatchSemaphore(value: 0)
    // It also has its own worker threads: OpenMP keeps a team for each thread that needs one.
    Thread.detachNewThread {
        var environment = fenv_t()
        fegetenv(&environment)
        environment.__mxcsr &= ~0x8040
        fesetenv(&environment)
        let found = Swift.Result { try body() }
        result.withLock { $0 = found }
        done.signal()
    }
    done.wait()
    guard let found = result.withLock({ $0 }) else { fatalError("the thread has signaled that it is done") }
    return try found.get()
}
