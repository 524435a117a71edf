import Foundation
import Testing

/// The threads on which tests compute and wait.
///
/// Swift's own pool has one thread per core. A test that trains a model or waits for a process would occupy one of them
/// for seconds, and all other asynchronous work in this process, above all a server under test, would stop.
///
/// Sharing is safe: `condition` guards the mutable state.
private final class TestThreads: TaskExecutor, @unchecked Sendable {
    /// More tests than cores: some wait for processes.
    static let shared = TestThreads(tests: 2 * ProcessInfo.processInfo.activeProcessorCount)

    private let condition = NSCondition()
    private var jobs: [UnownedJob] = []
    private var free: Int
    private var first: [CheckedContinuation<Void, Never>] = []
    private var others: [CheckedContinuation<Void, Never>] = []

    private init(tests: Int) {
        free = tests
        // A test's child tasks may wait for each other: they need threads at the same time.
        for _ in 0..<3 * tests {
            Thread { [unowned self] in while true { next().runSynchronously(on: asUnownedTaskExecutor()) } }.start()
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        condition.withLock {
            jobs.append(job)
            condition.signal()
        }
    }

    private func next() -> UnownedJob {
        condition.withLock {
            while jobs.isEmpty { condition.wait() }
            return jobs.removeFirst()
        }
    }

    /// Waits until a test has ended, so that the work that a test awaits is not queued behind tests that have not
    /// started.
    ///
    /// The tests of a serialized suite run one by one: they go first, or the last would run after all others.
    func enter(first isFirst: Bool) async {
        await withCheckedContinuation { continuation in
            let mayEnter = condition.withLock {
                if free > 0 {
                    free -= 1
                    return true
                }
                if isFirst { first.append(continuation) } else { others.append(continuation) }
                return false
            }
            if mayEnter { continuation.resume() }
        }
    }

    func leave() {
        let following: CheckedContinuation<Void, Never>? = condition.withLock {
            if !first.isEmpty { return first.removeFirst() }
            if !others.isEmpty { return others.removeFirst() }
            free += 1
            return nil
        }
        following?.resume()
    }
}

/// Runs tests on separate threads instead of Swift's pool.
public struct TestThreadsTrait: SuiteTrait, TestTrait, TestScoping {
    /// Whether the trait also applies to the tests of a suite.
    public var isRecursive: Bool { true }

    /// Runs a test when its turn has come.
    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        await TestThreads.shared.enter(first: test.traits.contains { $0 is ParallelizationTrait })
        defer { TestThreads.shared.leave() }
        try await withTaskExecutorPreference(TestThreads.shared) { try await function() }
    }
}

extension Trait where Self == TestThreadsTrait {
    /// Runs tests that compute or wait outside Swift's pool.
    public static var onTestThreads: Self { Self() }
}

/// Runs blocking work on a separate thread: Swift's pool has only as many threads as cores, and a server needs them.
public func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}
