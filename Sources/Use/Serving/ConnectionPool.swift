import FlyingFox
import FlyingSocks
import Foundation
import Synchronization

/// The reason why a task waits on a connection.
enum ConnectionPhase: Sendable {
    /// The task waits for the next request, or to send a response.
    case request
    /// The task waits for a request's body.
    case body(BodyWatch)
    /// The task waits for more live input.
    case live

    /// The reason for the current task's waits.
    @TaskLocal static var current = ConnectionPhase.request

    /// Whether stopping the server ends a wait for input.
    var endsWithServer: Bool { if case .body = self { false } else { true } }
}

/// A link between the reading of a body and its connection, which the HTTP library does not expose.
final class BodyWatch: Sendable {
    private let state: Mutex<(expectsContinue: Bool, socket: Socket?)>

    private let peer: HTTPRequest.Address?

    /// Starts a watch.
    ///
    /// - Parameters:
    ///   - expectsContinue: Whether the client waits for `100 Continue` before it sends the body.
    ///   - peer: The client's address.
    init(expectsContinue: Bool, peer: HTTPRequest.Address?) {
        state = Mutex((expectsContinue, nil))
        self.peer = peer
    }

    /// Records that a task waits for the body, and sends `100 Continue` if the client expects it.
    func waits(on socket: Socket) {
        let expectsContinue = state.withLock { state in
            defer { state = (false, socket) }
            return state.expectsContinue
        }
        if expectsContinue { _ = try? socket.write(Data("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
    }

    /// Records that the response is being sent, so that the client is no longer asked for the body.
    func answered() { state.withLock { $0.expectsContinue = false } }

    /// Whether the client has closed the connection.
    var isGone: Bool {
        guard let socket = state.withLock({ $0.socket }) ?? foundSocket() else { return false }
        var byte: UInt8 = 0
        let count = recv(socket.file.rawValue, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR
    }

    /// Finds the connection by the client's address: a body that needed no wait has not revealed its socket.
    private func foundSocket() -> Socket? {
        guard let peer, let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") else {
            return nil
        }
        let sockets = names.lazy.compactMap { Int32($0) }.map { Socket(file: Socket.FileDescriptor(rawValue: $0)) }
        let found = sockets.first { socket in
            (try? socket.remotePeer()).map(HTTPRequest.Address.make) == peer
        }
        if let found { state.withLock { $0.socket = found } }
        return found
    }
}

/// Waits for sockets, closes stalled connections, and ends waits when the server stops.
final class ConnectionPool: AsyncSocketPool {
    private struct Wait {
        var task: Task<Void, any Error>
        var deadline: ContinuousClock.Instant?
        var endsWithServer: Bool
    }

    private struct State {
        var waits: [UInt64: Wait] = [:]
        var reasons: [UInt64: SocketError] = [:]
        var next: UInt64 = 0
        var listener: Socket?
        var isStopping = false

        mutating func end(_ number: UInt64, _ reason: SocketError) {
            guard let wait = waits.removeValue(forKey: number) else { return }
            reasons[number] = reason
            wait.task.cancel()
        }
    }

    private let base: any AsyncSocketPool = HTTPServer.defaultPool()
    private let stall: Duration
    private let listening: @Sendable (Socket) -> Void
    private let state = Mutex(State())

    /// Makes a pool.
    ///
    /// - Parameters:
    ///   - stall: The time after which a stalled connection is closed.
    ///   - listening: Called with the listening socket once it accepts connections.
    init(stall: Duration, listening: @escaping @Sendable (Socket) -> Void) {
        self.stall = stall
        self.listening = listening
    }

    /// Stops waiting for connections and requests; bodies and responses in flight continue.
    func stop() {
        state.withLock { state in
            state.isStopping = true
            for (number, wait) in state.waits where wait.endsWithServer { state.end(number, .disconnected) }
        }
    }

    func prepare() async throws {
        state.withLock { $0.listener = nil }
        try await base.prepare()
    }

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.base.run() }
            group.addTask {
                while true {
                    try await Task.sleep(for: min(self.stall / 4, .seconds(1)))
                    self.endStalled()
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    func suspendSocket(_ socket: Socket, untilReadyFor events: Socket.Events) async throws {
        let isListener = events == .read && isListener(socket)
        let phase = ConnectionPhase.current
        if case .body(let watch) = phase, events == .read { watch.waits(on: socket) }
        let (number, task) = state.withLock { state in
            let task = Task { [base] in try await base.suspendSocket(socket, untilReadyFor: events) }
            let number = state.next
            state.next += 1
            state.waits[number] = Wait(
                task: task, deadline: isListener ? nil : .now + stall,
                endsWithServer: events == .read && phase.endsWithServer)
            if state.isStopping, events == .read, phase.endsWithServer { state.end(number, .disconnected) }
            return (number, task)
        }
        let result = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        let reason = state.withLock { state in
            state.waits[number] = nil
            return state.reasons.removeValue(forKey: number)
        }
        if let reason {
            // Refuses new connections at once instead of letting them queue.
            if isListener { shutdown(socket.file.rawValue, Int32(SHUT_RDWR)) }
            throw reason
        }
        try result.get()
    }

    private func endStalled() {
        let now = ContinuousClock.now
        state.withLock { state in
            for (number, wait) in state.waits {
                if let deadline = wait.deadline, deadline < now {
                    state.end(number, .timeout(message: "nothing moved on the connection"))
                }
            }
        }
    }

    private func isListener(_ socket: Socket) -> Bool {
        let isNew: Bool? = state.withLock { state in
            if let listener = state.listener { return listener == socket ? false : nil }
            var accepts: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            let isKnown = getsockopt(socket.file.rawValue, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) == 0
            guard isKnown, accepts != 0 else { return nil }
            state.listener = socket
            return true
        }
        if isNew == true { listening(socket) }
        return isNew != nil
    }
}
