import Dispatch
import Foundation
import Synchronization
import W2VCluster

/// Notices what asks a process to stop, so that the trainer can finish its update and save.
///
/// That is Ctrl-C, SIGTERM, and the end of its terminal (SIGHUP), unless that was to be ignored from the start, as `nohup`
/// has it; a second signal of the same kind ends at once. The end of a process's launcher counts as a SIGTERM, however
/// often the system reports it.
public final class StopSignal {
    private let state: State

    /// The number that dispatch's threads write and the trainer reads.
    private final class State: Sendable {
        private let received = Atomic<Int32>(0)

        /// The first signal counts: a launcher may send another one after it.
        func note(_ number: Int32) {
            _ = received.compareExchange(expected: 0, desired: number, ordering: .relaxed)
        }

        var number: Int32? {
            let number = received.load(ordering: .relaxed)
            return number == 0 ? nil : number
        }
    }

    private var sources: [any DispatchSourceSignal] = []

    /// Starts to listen.
    public init() {
        state = State()
        for number in [SIGINT, SIGTERM, SIGHUP] where number != SIGHUP || !Self.isIgnored(number) {
            listen(to: number) { [state] in
                state.note(number)
                signal(number, SIG_DFL)
            }
        }
        listen(to: launcherEndedSignal) { [state] in state.note(SIGTERM) }
    }

    private func listen(to number: Int32, _ handler: @escaping @Sendable () -> Void) {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler(handler: handler)
        source.resume()
        sources.append(source)
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        // The only way to ask that does not change the answer for a moment.
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// The signal that asks to stop, if one came.
    public var received: Int32? { check() }

    /// Asks for the signal that asks to stop, from any thread.
    public var check: @Sendable () -> Int32? { { [state] in state.number } }
}
