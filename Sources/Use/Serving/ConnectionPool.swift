import FlyingFox
import FlyingSocks
import Foundation
import Synchronization

/// What a task waits for on a connection.
enum ConnectionPhase: Sendable {
    /// The next request, or that a response can be sent.
    case request
    /// A request's body.
    case body(BodyWatch)
    /// What comes next of live input.
    case live

    /// What the current task waits for.
    @TaskLocal static var current = ConnectionPhase.request

    /// Whether stopping the server ends a wait for something to read.
    var endsWithServer: Bool { if case .body = self { false } else { true } }
}

/// What reading a body has to do with its connection: the library does not show it otherwise.
final class BodyWatch: Sendable {
    private let state: Mutex<(expectsContinue: Bool, socket: Socket?)>

    private let peer: HTTPRequest.Address?

    /// Begins.
    ///
    /// - Parameters:
    ///   - expectsContinue: Whether the client waits for `100 Continue` before it sends the body.
    ///   - peer: The client's address.
    init(expectsContinue: Bool, peer: HTTPRequest.Address?) {
        state = Mutex((expectsContinue, nil))
        self.peer = peer
    }

    /// The body is being waited for.
    func waits(on socket: Socket) {
        let expectsContinue = state.withLock { state in
            defer { state = (false, socket) }
            return state.expectsContinue
        }
        if expectsContinue { _ = try? socket.write(Data("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
    }

    /// The answer is on its way: the client is not asked for the body any more.
    func answered() { state.withLock { $0.expectsContinue = false } }

    /// Whether the client has closed the connection.
    var isGone: Bool {
        guard let socket = state.withLock({ $0.socket }) ?? foundSocket() else { return false }
        var byte: UInt8 = 0
        let count = recv(socket.file.rawValue, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR
    }

    /// The connection from the client's address: where the body came without a wait, nobody has told which it is.
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

/// Waits for sockets, closes connections on which nothing moves, and ends waits when the server stops.
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
    ///   - stall: How long nothing may move on a connection.
    ///   - listening: Called with the socket on which connections are accepted, when they are.
    init(stall: Duration, listening: @escaping @Sendable (Socket) -> Void) {
        self.stall = stall
        self.listening = listening
    }

    /// Ends waiting for connections and requests; bodies and responses in flight continue.
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
            // Nothing accepts any more: who connects from now on is refused at once.
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
