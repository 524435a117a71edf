import Foundation
import Synchronization

/// Writes a log on a thread of its own, so that a reader who is slow or has stopped does not stop the program.
///
/// While the reader takes nothing, a limited number of lines wait; lines beyond that are dropped, and their number is
/// reported.
final class PatientLog: Sendable {
    private let queue = DispatchQueue(label: "log")
    private let state = Mutex((waiting: 0, dropped: 0))
    private let most: Int
    private let tell: @Sendable (Int) -> Void

    /// Makes a log with nothing to write.
    ///
    /// - Parameters:
    ///   - most: The most lines that wait.
    ///   - tell: Called on the log's thread with the number of dropped lines, once there is room again.
    init(most: Int = 10_000, reportingDropped tell: @escaping @Sendable (Int) -> Void) {
        self.most = most
        self.tell = tell
    }

    /// Has a line written after those before it.
    ///
    /// - Parameter write: Writes the line; it may take any time.
    func add(_ write: @escaping @Sendable () -> Void) {
        let hasRoom = state.withLock { state in
            guard state.waiting < most else {
                state.dropped += 1
                return false
            }
            state.waiting += 1
            return true
        }
        guard hasRoom else { return }
        queue.async { [self] in
            write()
            let dropped = state.withLock { state in
                state.waiting -= 1
                defer { state.dropped = 0 }
                return state.dropped
            }
            if dropped > 0 { tell(dropped) }
        }
    }

    /// Waits until everything is written, but no longer than this.
    func finish(within seconds: Double) {
        let done = DispatchSemaphore(value: 0)
        queue.async { done.signal() }
        _ = done.wait(timeout: .now() + seconds)
    }
}
