import Synchronization

/// Counts the requests that wait for the model and those that it works on.
final class WaitingRoom: Sendable {
    /// The numbers of waiting and running requests.
    struct Counts: Equatable {
        var waiting = 0
        var running = 0
    }

    /// A request's place, which is given up no later than its last reference.
    final class Place: Sendable {
        private enum State { case waiting, running, left }

        private let room: WaitingRoom
        private let state = Mutex(State.waiting)

        fileprivate init(in room: WaitingRoom) { self.room = room }

        deinit { leave() }

        /// Moves the request from waiting to running.
        func begin() {
            state.withLock { state in
                guard state == .waiting else { return }
                state = .running
                room.counts.withLock { ($0.waiting, $0.running) = ($0.waiting - 1, $0.running + 1) }
            }
        }

        /// Ends the request, finished or abandoned.
        func leave() {
            state.withLock { state in
                room.counts.withLock { counts in
                    switch state {
                    case .waiting: counts.waiting -= 1
                    case .running: counts.running -= 1
                    case .left: break
                    }
                }
                state = .left
            }
        }
    }

    private let most: Int
    fileprivate let counts = Mutex(Counts())

    /// Makes a room for this many waiting requests.
    init(most: Int) { self.most = most }

    /// The current numbers.
    var current: Counts { counts.withLock { $0 } }

    /// Checks that there is room for another request.
    ///
    /// - Throws: `RequestError`.
    func check() throws { if current.waiting >= most { throw RequestError.tooMany } }

    /// Adds a waiting request.
    ///
    /// - Throws: `RequestError` when too many are waiting.
    func enter() throws -> Place {
        try counts.withLock { counts in
            guard counts.waiting < most else { throw RequestError.tooMany }
            counts.waiting += 1
        }
        return Place(in: self)
    }
}
