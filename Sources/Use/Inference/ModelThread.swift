import Foundation

/// A thread of a model's own, on which everything that the model does runs.
///
/// LibTorch keeps its switches and its team of OpenMP threads with the calling thread: on Swift's shared pool every
/// thread that ever ran a model would start a team, and a long pass would hold up other tasks.
///
/// `@unchecked Sendable` is safe: the mutable state is touched only while `condition` is locked.
public final class ModelThread: SerialExecutor, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case call(() -> Void)
    }

    private let condition = NSCondition()
    private var waiting: [Work] = []
    private var isClosed = false

    /// Starts the thread, which lives until `close()`.
    init(_ name: String) {
        let thread = Thread { [self] in work() }
        thread.name = name
        // LibTorch's kernels recurse little, but a parallel region inside autograd wants more than the default 512 KiB.
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Starts a thread and does on it what loading a model takes: reading files, converting weights, making a session.
    ///
    /// - Parameters:
    ///   - name: The thread's name.
    ///   - body: The work; it gets the thread, which the session that it makes keeps.
    /// - Returns: The result of `body`.
    /// - Throws: What `body` throws; the thread has ended then.
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
            return waiting.isEmpty ? nil : waiting.removeFirst()
        }
    }
}
