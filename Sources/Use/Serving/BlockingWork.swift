import Foundation
import Synchronization

/// Runs work that blocks or takes long on threads of its own, so that connections are served meanwhile.
///
/// `@unchecked Sendable` is safe: an operation queue may be used from any thread.
final class BlockingWork: @unchecked Sendable {
    /// One piece of work, which its task may give up.
    final class Job: Sendable {
        private let state = Mutex<(isCancelled: Bool, end: (@Sendable () -> Void)?)>((false, nil))

        /// Whether nobody waits for the result any more: work that takes long asks, and ends.
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

    /// Resumes a task once, by whichever comes first.
    private final class Waiter<Value: Sendable>: Sendable {
        private let continuation: Mutex<CheckedContinuation<Value, any Error>?>

        init(_ continuation: CheckedContinuation<Value, any Error>) { self.continuation = Mutex(continuation) }

        func resume(with result: Result<Value, any Error>) { continuation.withLock { $0.take() }?.resume(with: result) }
    }

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
    ///
    /// A task that is cancelled does not wait for the work's end, whatever that is blocked by.
    ///
    /// - Parameter body: The work; it gets the job, to ask whether it is still wanted.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; `CancellationError` when the task is cancelled.
    func run<Value: Sendable>(_ body: @escaping @Sendable (Job) throws -> Value) async throws -> Value {
        let job = Job()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let waiter = Waiter(continuation)
                job.onCancel { waiter.resume(with: .failure(CancellationError())) }
                queue.addOperation {
                    guard !job.isCancelled else { return }
                    waiter.resume(with: Result { try body(job) })
                }
            }
        } onCancel: {
            job.cancel()
        }
    }
}
