import Dispatch

/// Runs an actor that waits for files, decoders or pipes on Dispatch's threads: on Swift's shared pool it would block
/// every other task of the program.
public final class BlockingExecutor: SerialExecutor {
    private let queue: DispatchQueue

    /// Makes an executor, which occupies a thread only while it has work.
    public init(_ name: String) { queue = DispatchQueue(label: name) }

    /// Runs an actor's job.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    /// The reference by which Swift knows the executor.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
