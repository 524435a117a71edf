import Foundation
import NIOCore
import ServiceLifecycle
import Synchronization
import W2VBase
import W2VRecognition

/// A server for speech recognition over HTTP.
///
///     let server = Server(ServerOptions(), facts: facts)
///     let address = try await server.start()
///     await server.serve(try await Recognizer(checkpoint: checkpoint))
///     print("listening on \(address)")
///     // Until it is to end:
///     await server.stop(within: .seconds(30))
///
/// Short recordings that arrive while the model is busy share its next pass. Long recordings take turns with them, so
/// that they block nobody. Results are those of a `Recognizer`.
///
/// In a group of services (swift-service-lifecycle), `run` serves, once started, until the group shuts down.
public final class Server: Service, Sendable {
    let core: ServerCore
    private let listener = Mutex<Listener?>(nil)

    /// Makes a server.
    ///
    /// - Parameters:
    ///   - options: The address to listen on and the limits of requests.
    ///   - facts: The description of the model.
    ///   - report: Called with each event, on any thread.
    public convenience init(
        _ options: ServerOptions = ServerOptions(), facts: ModelFacts,
        report: @escaping @Sendable (ServerEvent) -> Void = { _ in }
    ) {
        self.init(options, models: [ServedModel(facts: facts)], report: report)
    }

    /// Makes a server of several models, each of which is loaded at its first use.
    ///
    /// - Parameters:
    ///   - options: The address to listen on and the limits of requests.
    ///   - models: At least one model; their names are distinct.
    ///   - report: Called with each event, on any thread.
    public init(
        _ options: ServerOptions = ServerOptions(), models: [ServedModel],
        report: @escaping @Sendable (ServerEvent) -> Void = { _ in }
    ) {
        precondition(!models.isEmpty, "a server needs a model")
        core = ServerCore(options, models: models, report: report)
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
        let options = core.options
        let address = try ListeningAddress(host: options.host, port: options.port)
        core.listens(on: address)
        let encryption = try options.certificate?.context()
        try core.uploads.open()
        let listener = Listener(
            RequestHandler(core: core),
            limits: ConnectionLimits(bodyBytes: options.maximumUploadBytes, stallSeconds: options.stallSeconds),
            maximumConnections: min(options.maximumConnections, Self.connectionsWithinFileLimit()),
            encryption: encryption
        ) { [core] error in
            // The client's doing: it has gone before its connection was accepted.
            if (error as? IOError)?.errnoCode == ECONNABORTED { return }
            core.tell(.trouble("listening failed (\(Self.reason(error)))"))
        }
        let found: SocketAddress
        do {
            found = try await listener.start(on: address.socket)
        } catch {
            await listener.shutDown()
            core.uploads.remove()
            throw listeningError(error)
        }
        self.listener.withLock { $0 = listener }
        let host = found.ipAddress ?? options.host
        let scheme = encryption == nil ? "http" : "https"
        return "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(found.port ?? Int(options.port))"
    }

    /// Answers requests with a model from now on.
    ///
    /// - Parameter recognizer: The model; others may use it at the same time.
    public func serve(_ recognizer: Recognizer) async { await core.use(recognizer) }

    /// Loads the first model, and answers requests from now on.
    ///
    /// - Throws: The error of loading it.
    public func loadFirstModel() async throws { try await core.loadFirst() }

    /// Stops the server: refuses new connections, completes requests in flight, and removes the uploads.
    ///
    /// - Parameter limit: The time after which requests in flight are abandoned; the function returns at most a second
    ///   later.
    public func stop(within limit: Duration) async {
        core.stop()
        if let listener = listener.withLock({ $0 }) {
            await listener.stop()
            if await !Self.isDone(within: limit, { await listener.drained() }) {
                listener.abandon()
                _ = await Self.isDone(within: .seconds(1)) { await listener.drained() }
            }
            await listener.shutDown()
        }
        removeUploads()
    }

    /// Waits, after `start`, until the group of services that this belongs to shuts down, and stops the server.
    ///
    /// Requests in flight have `ServerOptions.gracePeriod` to be completed.
    public func run() async throws {
        do {
            try await gracefulShutdown()
        } catch {
            await stop(within: .zero)
            throw error
        }
        await stop(within: core.options.gracePeriod)
    }

    /// Removes the uploads, for a program that exits without `stop`.
    public func removeUploads() { core.uploads.remove() }

    /// Waits for work that ends when it is canceled; returns whether it was done in time.
    private static func isDone(within limit: Duration, _ work: @escaping @Sendable () async -> Void) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await work()
                return !Task.isCancelled
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
    }

    private func listeningError(_ error: any Error) -> ServerError {
        let options = core.options
        let reason = Self.reason(error)
        return switch (error as? IOError)?.errnoCode {
        case EADDRINUSE: .addressInUse(host: options.host, port: options.port)
        case EADDRNOTAVAIL, EAFNOSUPPORT: .badHost(options.host, reason: reason)
        default: .cannotListen(host: options.host, port: options.port, reason: reason)
        }
    }

    private static func reason(_ error: any Error) -> String {
        (error as? IOError).map { SystemReason.of(code: $0.errnoCode) } ?? SystemReason.of(error)
    }

    /// Raises the limit of open files, and returns how many connections it allows: every upload takes more descriptors.
    private static func connectionsWithinFileLimit() -> Int {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return .max }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(resource, &limit)
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < 1 << 30 else { return .max }
        return max(4, (Int(limit.rlim_cur) - 64) / 3)
    }
}
