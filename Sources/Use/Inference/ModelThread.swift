import DequeModule
import Foundation

/// A thread of its own for everything that a model does.
///
/// LibTorch binds its switches and its team of OpenMP threads to the calling thread: on Swift's shared pool every
/// thread that ever ran a model would start a team, and a long pass would block other tasks.
///
/// `@unchecked Sendable` is safe: the mutable state is touched only while `condition` is locked.
public final class ModelThread: SerialExecutor, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case call(() -> Void)
    }

    private let condition = NSCondition()
    private var waiting: Deque<Work> = []
    private var isClosed = false

    /// Starts the thread, which lives until `close()`.
    init(_ name: String) {
        let thread = Thread { [self] in work() }
        thread.name = name
        // LibTorch's kernels recurse little, but a parallel region inside autograd needs more than the default 512 KiB.
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Starts a thread and loads a model on it: reads files, converts weights and makes a session.
    ///
    /// - Parameters:
    ///   - name: The thread's name.
    ///   - body: The work; its argument is the thread, which the session retains.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; the thread has ended then.
    public static func start<Value: Sendable>(
        _ name: String, _ body: sending @escaping (ModelThread) throws -> Value
    ) async throws -> Value {
        let thread = ModelThread(name)
        do {
            return try await withCheckedThrowingContinuation { continuation in
                thread.add(.call { continuation.resume(with: Result { try body(thread) }) })
            }
        } catch {
            thread.close()
            throw error
        }
    }

    /// Runs an actor's job on the thread.
    public func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }

    /// The reference by which Swift knows the thread.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Ends the thread once its work is done.
    func close() {
        condition.withLock {
            isClosed = true
            condition.signal()
        }
    }

    private func add(_ work: Work) {
        condition.withLock {
            waiting.append(work)
            condition.signal()
        }
    }

    private func work() {
        while let work = next() {
            switch work {
            case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
            case .call(let body): body()
            }
        }
    }

    private func next() -> Work? {
        condition.withLock {
            while waiting.isEmpty && !isClosed { condition.wait() }
            return waiting.popFirst()
        }
    }
}
