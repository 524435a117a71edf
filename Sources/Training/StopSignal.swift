import Dispatch
import Foundation
import Synchronization

/// Notices Ctrl-C and SIGTERM, so that the trainer can finish its update and save; a second one ends at once.
public final class StopSignal {
    private let state: State

    /// The number that dispatch's threads write and the trainer reads.
    private final class State: Sendable {
        let received = Atomic<Int32>(0)
    }

    private var sources: [any DispatchSourceSignal] = []

    /// Starts to listen.
    public init() {
        let state = State()
        self.state = state
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                state.received.store(number, ordering: .relaxed)
                signal(number, SIG_DFL)
            }
            source.resume()
            sources.append(source)
        }
    }

    /// The signal that asks to stop, if one came.
    public var received: Int32? { check() }

    /// Asks for the signal that asks to stop, from any thread.
    public var check: @Sendable () -> Int32? {
        let state = state
        return {
            let number = state.received.load(ordering: .relaxed)
            return number == 0 ? nil : number
        }
    }
}
