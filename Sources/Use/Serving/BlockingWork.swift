import Foundation
import Synchronization

/// Runs work that blocks or takes long on threads of its own, so that connections are served in the meantime.
///
/// `@unchecked Sendable` is safe: an operation queue may be used from any thread.
final class BlockingWork: @unchecked Sendable {
    /// A unit of work that can be canceled.
    final class Job: Sendable {
        private let state = Mutex<(isCancelled: Bool, end: (@Sendable () -> Void)?)>((false, nil))

        /// Whether the result is no longer needed; long work checks this and stops.
        var isCancelled: Bool { state.withLock { $0.isCancelled } }

        fileprivate func onCancel(_ end: @escaping @Sendable () -> Void) {
            let isLate = state.withLock { state in
                state.end = state.isCancelled ? nil : end
                return state.isCancelled
            }
            if isLate { end() }
        }

        fileprivate func cancel() {
            let end = state.withLock { state in
                defer { state = (true, nil) }
                return state.end
            }
            end?()
        }
    }

    /// Resumes a task once, with the first result.
    private final class Waiter<Value: Sendable>: Sendable {
        private let continuation: Mutex<CheckedContinuation<Value, any Error>?>

        init(_ continuation: CheckedContinuation<Value, any Error>) { self.continuation = Mutex(continuation) }

        func resume(with result: Result<Value, any Error>) { continuation.withLock { $0.take() }?.resume(with: result) }
    }

    private let queue = OperationQueue()

    /// The number of units of work that run or wait for a thread.
    var count: Int { queue.operationCount }

    /// Makes a pool of threads.
    ///
    /// - Parameters:
    ///   - name: The name of the threads.
    ///   - threads: The most threads.
    init(_ name: String, threads: Int) {
        queue.name = name
        queue.maxConcurrentOperationCount = threads
    }

    /// Runs work and waits for it.
    ///
    /// A canceled task stops waiting at once, even if the work is blocked.
    ///
    /// - Parameters:
    ///   - priority: Work of a higher priority begins before other work that waits for a thread.
    ///   - body: The work; it can ask its job whether it is still wanted.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; `CancellationError` when the task is canceled.
    func run<Value: Sendable>(
        _ priority: Operation.QueuePriority = .normal, _ body: @escaping @Sendable (Job) throws -> Value
    ) async throws -> Value {
        let job = Job()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let waiter = Waiter(continuation)
                job.onCancel { waiter.resume(with: .failure(CancellationError())) }
                let operation = BlockOperation {
                    guard !job.isCancelled else { return }
                    waiter.resume(with: Result { try body(job) })
                }
                operation.queuePriority = priority
                queue.addOperation(operation)
            }
        } onCancel: {
            job.cancel()
        }
    }
}
