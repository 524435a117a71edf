import Dispatch
import Foundation

/// Threads for work that takes long: on Swift's shared pool it would hold up every other task of the program.
private let workers = DispatchQueue(label: "concurrent map", attributes: .concurrent)

/// The same work on many elements, a few at a time.
///
/// - Parameters:
///   - elements: What to work on.
///   - threads: How many are worked on at the same time; as many as there are cores where this is nil.
///   - finished: Called after each with the number of those done.
///   - transform: The work on one; runs on any thread.
/// - Returns: A result each, in the order given.
/// - Throws: The first error of `transform`, and `CancellationError` when the task is cancelled.
public func concurrentMap<Element: Sendable, Result: Sendable>(
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
