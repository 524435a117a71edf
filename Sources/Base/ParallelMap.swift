import Foundation
import Synchronization

/// Does the same work on many items, on threads of its own: on Swift's shared pool, long work would delay all other
/// tasks of the program.
public enum ParallelMap {
    private static let workers = DispatchQueue(label: "parallel map", attributes: .concurrent)

    /// Calls `body` for every number below `count`, and waits for the results.
    ///
    /// - Parameters:
    ///   - count: Number of items.
    ///   - threads: Maximum number of threads.
    ///   - block: Number of items that a thread takes at a time.
    ///   - stop: Polled before every block; if it returns `true`, nothing more is started.
    ///   - body: The work on one item; called on any thread.
    /// - Returns: One result per item, in order; fewer only after a stop.
    public static func map<Value: Sendable, Failure: Error>(
        count: Int, threads: Int = ProcessInfo.processInfo.activeProcessorCount, block: Int = 16,
        stop: @Sendable () -> Bool = { false }, _ body: @Sendable (Int) throws(Failure) -> Value
    ) -> [Result<Value, Failure>] {
        let results = Mutex([Result<Value, Failure>?](repeating: nil, count: count))
        let next = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: max(1, min(threads, count))) { _ in
            while !stop() {
                let start = next.add(block, ordering: .relaxed).oldValue
                guard start < count else { return }
                for index in start..<min(start + block, count) {
                    let result = Result { () throws(Failure) in try body(index) }
                    results.withLock { $0[index] = result }
                }
            }
        }
        return results.withLock { $0.prefix { $0 != nil }.compactMap { $0 } }
    }

    /// Transforms elements without blocking the task that waits for them.
    ///
    /// - Parameters:
    ///   - elements: The elements.
    ///   - threads: Maximum number of threads; nil for the number of cores.
    ///   - finished: Called after each element with the number of finished ones.
    ///   - transform: The work on one element; called on any thread.
    /// - Returns: One result per element, in the order given.
    /// - Throws: The first error of `transform`, and `CancellationError` if the task is canceled.
    public static func map<Element: Sendable, Result: Sendable>(
        _ elements: [Element], threads: Int? = nil, finished: ((Int) -> Void)? = nil,
        _ transform: @escaping @Sendable (Element) throws -> Result
    ) async throws -> [Result] {
        let parallel = max(1, threads ?? ProcessInfo.processInfo.activeProcessorCount)
        return try await withThrowingTaskGroup(of: (Int, Result).self) { group in
            var results = [Result?](repeating: nil, count: elements.count)
            var next = 0
            var done = 0
            func add() {
                let (index, element) = (next, elements[next])
                next += 1
                group.addTask {
                    try await withCheckedThrowingContinuation { continuation in
                        workers.async {
                            continuation.resume(with: Swift.Result { (index, try transform(element)) })
                        }
                    }
                }
            }
            while next < min(parallel, elements.count) { add() }
            while let (index, result) = try await group.next() {
                try Task.checkCancellation()
                results[index] = result
                done += 1
                finished?(done)
                if next < elements.count { add() }
            }
            return results.compactMap { $0 }
        }
    }
}
