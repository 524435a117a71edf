import Foundation

/// Runs work that blocks or takes long on threads of its own, so that connections are served meanwhile.
///
/// `@unchecked Sendable` is safe: an operation queue may be used from any thread.
final class BlockingWork: @unchecked Sendable {
    private let queue = OperationQueue()

    /// Makes threads.
    ///
    /// - Parameters:
    ///   - name: What they are called.
    ///   - threads: How many there are at most.
    init(_ name: String, threads: Int) {
        queue.name = name
        queue.maxConcurrentOperationCount = threads
    }

    /// Does work.
    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.addOperation { continuation.resume(with: Result { try body() }) }
        }
    }
}
