import Dispatch
import Foundation
import Synchronization

/// Receives signals that ask a process to stop, so that it can finish its work in order.
///
/// These are Ctrl-C, SIGTERM, and the end of the terminal (SIGHUP), unless it was ignored from the start, as with
/// `nohup`. The end of a process's launcher counts as a SIGTERM, however often the system reports it.
public final class StopSignal {
    /// The signal that the system sends a process whose launcher has ended.
    ///
    /// It may come several times: a killed launcher's threads end one after another, and its processes become children
    /// of the next one each time. A second SIGTERM would end a process that is saving. Without a handler this signal
    /// ends a process too.
    public static let launcherEnded = SIGPWR

    private let state = State()

    /// The signal's number, which Dispatch's threads write and the program reads.
    private final class State: Sendable {
        private let received = Atomic<Int32>(0)

        /// Records a signal; only the first one counts, because a launcher may send another one after it.
        ///
        /// - Returns: Whether it is the first.
        func note(_ number: Int32) -> Bool {
            received.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged
        }

        var number: Int32? {
            let number = received.load(ordering: .relaxed)
            return number == 0 ? nil : number
        }
    }

    private var sources: [any DispatchSourceSignal] = []

    /// Starts listening.
    ///
    /// The closures run on one of Dispatch's threads, because all threads of Swift's tasks may be busy.
    ///
    /// - Parameters:
    ///   - first: Called once, with the first signal.
    ///   - again: Called with each further signal from a person or the system; without it, a second signal of the same
    ///     kind ends the process immediately.
    public init(
        _ first: @escaping @Sendable (Int32) -> Void = { _ in }, again: (@Sendable (Int32) -> Void)? = nil
    ) {
        let queue = DispatchQueue(label: "signals")
        for number in [SIGINT, SIGTERM, SIGHUP] where number != SIGHUP || !Self.isIgnored(number) {
            listen(to: number, on: queue) { [state] in
                if state.note(number) { first(number) } else { again?(number) }
                if again == nil { signal(number, SIG_DFL) }
            }
        }
        listen(to: Self.launcherEnded, on: queue) { [state] in if state.note(SIGTERM) { first(SIGTERM) } }
    }

    private func listen(to number: Int32, on queue: DispatchQueue, _ handler: @escaping @Sendable () -> Void) {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
        source.setEventHandler(handler: handler)
        source.resume()
        sources.append(source)
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        // The only way to query the handler without changing it for a moment.
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// The received signal, if any.
    public var received: Int32? { check() }

    /// Returns the received signal, if any, on any thread.
    public var check: @Sendable () -> Int32? { { [state] in state.number } }
}
