import FlyingFox
import FlyingSocks
import Foundation
import Synchronization
import W2VRecognition

/// Recognition over HTTP.
///
///     let server = Server(ServerOptions(), facts: facts)
///     let address = try await server.start()
///     server.serve(try await Recognizer(checkpoint: checkpoint))
///     print("listening on \(address)")
///     // Until it is to end:
///     await server.stop(within: .seconds(30))
///
/// Requests that come while the model is busy are recognized together; long recordings go beside them, so that they hold
/// nobody up. Results are those of a `Recognizer`.
public final class Server: Sendable {
    let core: ServerCore
    private let pool: ConnectionPool
    private let started: Once
    private let listening = Mutex<Task<Void, Never>?>(nil)

    /// Prepares a server.
    ///
    /// - Parameters:
    ///   - options: Where it listens and what it accepts.
    ///   - facts: What it says of its model.
    ///   - report: Called with what happens, on any thread.
    public init(
        _ options: ServerOptions = ServerOptions(), facts: ModelFacts,
        report: @escaping @Sendable (ServerEvent) -> Void = { _ in }
    ) {
        core = ServerCore(options, facts: facts, report: report)
        let started = Once()
        self.started = started
        pool = ConnectionPool(stall: .seconds(options.stallSeconds)) { started.finish(.success($0)) }
    }

    deinit { core.uploads.remove() }

    /// Starts to listen; until there is a model, requests are answered with 503.
    ///
    /// A connection that is closed must not end the program: `SIGPIPE` is ignored from now on.
    ///
    /// - Returns: The server's address, as in `http://127.0.0.1:8080`.
    /// - Throws: `ServerError`.
    public func start() async throws -> String {
        signal(SIGPIPE, SIG_IGN)
        raiseFileLimit()
        let options = core.options
        let address = try ListeningAddress(host: options.host, port: options.port)
        core.listens(on: address)
        try core.uploads.open()
        let task = Task { await listen(on: address) }
        listening.withLock { $0 = task }
        let socket: Socket
        do {
            socket = try await started.value
        } catch {
            core.uploads.remove()
            throw listeningError(error)
        }
        switch try socket.sockname() {
        case .ip4(let host, let port): return "http://\(host):\(port)"
        case .ip6(let host, let port): return "http://[\(host)]:\(port)"
        case .unix(let path): return path
        }
    }

    /// Answers requests with a model from now on.
    ///
    /// - Parameter recognizer: The model, which others may use at the same time.
    public func serve(_ recognizer: Recognizer) { core.use(recognizer) }

    /// Stops: accepts nothing any more, finishes what is in flight, and removes what was uploaded.
    ///
    /// - Parameter limit: When to give up what is still in flight; it returns a second later at the latest.
    public func stop(within limit: Duration) async {
        core.stop()
        pool.stop()
        if let task = listening.withLock({ $0 }) { await Self.end(task, within: limit) }
        removeUploads()
    }

    /// Waits for a task, cancels it after a while, and then waits no longer: a thread that is blocked could hold it for ever.
    private static func end(_ task: Task<Void, Never>, within limit: Duration) async {
        let (ends, end) = AsyncStream<Void>.makeStream()
        let waiting = Task {
            await task.value
            end.finish()
        }
        let timer = Task {
            try await Task.sleep(for: limit)
            task.cancel()
            try await Task.sleep(for: .seconds(1))
            end.finish()
        }
        for await _ in ends {}
        timer.cancel()
        waiting.cancel()
    }

    /// Removes what was uploaded: for a program that ends without `stop`.
    public func removeUploads() { core.uploads.remove() }

    /// Listens until the server stops; what ends it before, such as the lack of file descriptors, is overcome.
    private func listen(on first: ListeningAddress) async {
        var address = first
        while !Task.isCancelled {
            do {
                switch address {
                case .ip4(let address): try await run(address)
                case .ip6(let address): try await run(address)
                }
            } catch {
                if core.isStopping || started.finish(.failure(error)) { return }
                if let port = try? started.current?.get().port { address = address.with(port: port) }
                core.tell(.trouble("listening failed and begins again (\(error.localizedDescription))"))
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func run(_ address: some SocketAddress) async throws {
        // Recognition takes as long as it takes: the time limit of the library is none.
        let configuration = HTTPServer.Configuration(
            address: address, timeout: 1e9, sharedRequestBufferSize: 4096, sharedRequestReplaySize: 0, pool: pool,
            logger: .disabled)
        try await HTTPServer(config: configuration, handler: RequestHandler(core: core)).run()
    }

    private func listeningError(_ error: any Error) -> ServerError {
        let options = core.options
        guard case SocketError.failed(_, let number, let reason) = error else {
            return .cannotListen(host: options.host, port: options.port, reason: error.localizedDescription)
        }
        return switch number {
        case EADDRINUSE: .addressInUse(host: options.host, port: options.port)
        case EADDRNOTAVAIL, EAFNOSUPPORT: .badHost(options.host, reason: reason)
        default: .cannotListen(host: options.host, port: options.port, reason: reason)
        }
    }

    /// Every connection and every upload takes a file descriptor.
    private func raiseFileLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// The listening socket, once there is one or there cannot be.
private final class Once: Sendable {
    private let state = Mutex<
        (result: Result<ListeningSocket, any Error>?, waiter: CheckedContinuation<Socket, any Error>?)
    >(
        (nil, nil))

    struct ListeningSocket: Sendable {
        var socket: Socket
        var port: UInt16?
    }

    /// What is known.
    var current: Result<ListeningSocket, any Error>? { state.withLock { $0.result } }

    var value: Socket {
        get async throws {
            try await withCheckedThrowingContinuation { continuation in
                let result = state.withLock { state in
                    if state.result == nil { state.waiter = continuation }
                    return state.result
                }
                if let result { continuation.resume(with: result.map(\.socket)) }
            }
        }
    }

    /// Says how it went; gives whether that was not known.
    @discardableResult
    func finish(_ result: Result<Socket, any Error>) -> Bool {
        let found = result.map { socket in
            let port: UInt16? =
                switch try? socket.sockname() {
                case .ip4(_, let port), .ip6(_, let port): port
                default: nil
                }
            return ListeningSocket(socket: socket, port: port)
        }
        let (isNew, waiter) = state.withLock { state in
            guard state.result == nil else { return (false, nil as CheckedContinuation<Socket, any Error>?) }
            state.result = found
            defer { state.waiter = nil }
            return (true, state.waiter)
        }
        waiter?.resume(with: result)
        return isNew
    }
}
