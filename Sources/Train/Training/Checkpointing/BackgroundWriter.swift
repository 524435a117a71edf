import Dispatch
import Synchronization

/// Writes one checkpoint after another while training continues.
///
/// A failure is thrown at the training thread's next call; nothing is written after it.
final class BackgroundWriter: Sendable {
    private struct Outcome {
        var failure: (any Error)?
        var warnings: [String] = []
    }

    private let queue = DispatchQueue(label: "checkpoints")
    private let outcome = Mutex(Outcome())

    /// Starts writing as soon as everything before is written.
    ///
    /// - Parameter body: Writes, and returns warnings: failures that need not stop training.
    func write(_ body: @escaping @Sendable () throws -> [String]) {
        queue.async { [self] in
            guard outcome.withLock({ $0.failure == nil }) else { return }
            do {
                let warnings = try body()
                outcome.withLock { $0.warnings += warnings }
            } catch {
                outcome.withLock { $0.failure = error }
            }
        }
    }

    /// Returns the warnings of everything written so far.
    ///
    /// - Returns: The warnings since the last call.
    /// - Throws: The first failure.
    func takeWarnings() throws -> [String] {
        try outcome.withLock { outcome in
            if let failure = outcome.failure { throw failure }
            defer { outcome.warnings = [] }
            return outcome.warnings
        }
    }

    /// Waits until everything is written, or something has failed.
    func wait() { queue.sync {} }
}
