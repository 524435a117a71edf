import Foundation
import Synchronization

/// The same work on many items, by a few threads.
enum ParallelMap {
    /// Calls `body` for every number below `count`.
    ///
    /// - Parameters:
    ///   - count: How many items there are.
    ///   - threads: How many work at a time.
    ///   - block: How many items a thread takes at once.
    ///   - stop: Asked before every block; with `true` nothing more is begun.
    ///   - body: The work on one item; called on any thread.
    /// - Returns: A result each, in order; fewer only after a stop.
    static func map<Value: Sendable>(
        count: Int, threads: Int = ProcessInfo.processInfo.activeProcessorCount, block: Int = 16,
        stop: @Sendable () -> Bool = { false }, _ body: @Sendable (Int) throws -> Value
    ) -> [Result<Value, any Error>] {
        let results = Mutex([Result<Value, any Error>?](repeating: nil, count: count))
        let next = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: max(1, min(threads, count))) { _ in
            while !stop() {
                let start = next.add(block, ordering: .relaxed).oldValue
                guard start < count else { return }
                for index in start..<min(start + block, count) {
                    let result = Result { try body(index) }
                    results.withLock { $0[index] = result }
                }
            }
        }
        return results.withLock { $0.prefix { $0 != nil }.compactMap { $0 } }
    }
}
