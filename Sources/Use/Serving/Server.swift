import FlyingFox
import FlyingSocks
import Foundation
import Synchronization
import W2VBase
import W2VRecognition

/// A server for speech recognition over HTTP.
///
///     let server = Server(ServerOptions(), facts: facts)
///     let address = try await server.start()
///     server.serve(try await Recognizer(checkpoint: checkpoint))
///     print("listening on \(address)")
///     // Until it is to end:
///     await server.stop(within: .seconds(30))
///
/// Short recordings that arrive while the model is busy share its next pass. Long recordings take turns with them, so
/// that they block nobody. Results are those of a `Recognizer`.
public final class Server: Sendable {
    let core: ServerCore
    private let pool: ConnectionPool
    private let started: Once
    private let listening = Mutex<Task<Void, Never>?>(nil)

    /// Makes a server.
    ///
    /// - Parameters:
    ///   - options: The address to listen on and the limits of requests.
    ///   - facts: The description of the model.
    ///   - report: Called with each event, on any thread.
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

    /// Starts to listen; requests are answered with 503 until there is a model.
    ///
    /// `SIGPIPE` is ignored from now on, so that a closed connection does not end the program.
    ///
    /// - Returns: The server's address, such as `http://127.0.0.1:8080`.
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
    /// - Parameter recognizer: The model; others may use it at the same time.
    public func serve(_ recognizer: Recognizer) { core.use(recognizer) }

    /// Stops the server: refuses new connections, completes requests in flight, and removes the uploads.
    ///
    /// - Parameter limit: The time after which requests in flight are abandoned; the function returns at most a second
    ///   later.
    public func stop(within limit: Duration) async {
        core.stop()
        pool.stop()
        if let task = listening.withLock({ $0 }) { await Self.end(task, within: limit) }
        removeUploads()
    }

    /// Waits for a task, cancels it after a time limit, and soon stops waiting: a blocked thread could keep it running
    /// forever.
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

    /// Removes the uploads, for a program that exits without `stop`.
    public func removeUploads() { core.uploads.remove() }

    /// Listens until the server stops, and again after a failure, such as a lack of file descriptors.
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
                core.tell(.trouble("listening failed and begins again (\(SystemReason.of(error)))"))
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func run(_ address: some SocketAddress) async throws {
        // Recognition may take any time: the library's own time limit is off.
        let configuration = HTTPServer.Configuration(
            address: address, timeout: 1e9, sharedRequestBufferSize: 4096, sharedRequestReplaySize: 0, pool: pool,
            logger: .disabled)
        try await HTTPServer(config: configuration, handler: RequestHandler(core: core)).run()
    }

    private func listeningError(_ error: any Error) -> ServerError {
        let options = core.options
        guard case SocketError.failed(_, let number, let reason) = error else {
            return .cannotListen(host: options.host, port: options.port, reason: SystemReason.of(error))
        }
        return switch number {
        case EADDRINUSE: .addressInUse(host: options.host, port: options.port)
        case EADDRNOTAVAIL, EAFNOSUPPORT: .badHost(options.host, reason: reason)
        default: .cannotListen(host: options.host, port: options.port, reason: reason)
        }
    }

    /// Raises the limit of open files: every connection and every upload takes a descriptor.
    private func raiseFileLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// The listening socket, or the error that prevented it, as soon as either is known.
private final class Once: Sendable {
    private let state = Mutex<
        (result: Result<ListeningSocket, any Error>?, waiter: CheckedContinuation<Socket, any Error>?)
    >(
        (nil, nil))

    struct ListeningSocket: Sendable {
        var socket: Socket
        var port: UInt16?
    }

    /// The result so far; nil if it is not known yet.
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

    /// Sets the result unless there is one; returns whether it was set.
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
