import Foundation

/// Runs an actor's work on one thread of its own.
///
/// LibTorch keeps its switches and its team of OpenMP threads with the calling thread: on Swift's shared pool every
/// thread that ever ran a model would start a team, and a long batch would hold up other tasks.
///
/// `@unchecked Sendable` is safe: the mutable state is touched only while `condition` is locked.
package final class ThreadExecutor: SerialExecutor, @unchecked Sendable {
    private let condition = NSCondition()
    private var jobs: [UnownedJob] = []
    private var isClosed = false

    /// Starts the thread, which lives until `close()`.
    package init(name: String) {
        let thread = Thread { [self] in work() }
        thread.name = name
        // LibTorch's kernels recurse little, but a parallel region inside autograd wants more than the default 512 KiB.
        thread.stackSize = 8 << 20
        thread.start()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        condition.withLock {
            jobs.append(job)
            condition.signal()
        }
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Ends the thread once its jobs are done.
    package func close() {
        condition.withLock {
            isClosed = true
            condition.signal()
        }
    }

    private func work() {
        while let job = next() { job.runSynchronously(on: asUnownedSerialExecutor()) }
    }

    private func next() -> UnownedJob? {
        condition.withLock {
            while jobs.isEmpty && !isClosed { condition.wait() }
            return jobs.isEmpty ? nil : jobs.removeFirst()
        }
    }
}
