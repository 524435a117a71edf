import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A listening socket and its connections.
final class Listener: Sendable {
    private struct State {
        var channel: (any Channel)?
        var connections: [ObjectIdentifier: Connection] = [:]
        var isStopping = false
        /// Those who wait for the end of the last connection.
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
    }

    private let group: MultiThreadedEventLoopGroup
    private let responder: any Responder
    private let limits: ConnectionLimits
    private let maximumConnections: Int
    private let encryption: NIOSSLContext?
    private let onError: @Sendable (any Error) -> Void
    private let state = Mutex(State())

    /// Makes a listener.
    ///
    /// - Parameters:
    ///   - responder: What answers the requests.
    ///   - limits: The limits of each connection.
    ///   - maximumConnections: The most connections; more have to wait until others end.
    ///   - encryption: The certificate and its key; nil for plain connections.
    ///   - onError: Called with each error of accepting connections, on any thread.
    init(
        _ responder: any Responder, limits: ConnectionLimits, maximumConnections: Int, encryption: NIOSSLContext?,
        onError: @escaping @Sendable (any Error) -> Void
    ) {
        self.responder = responder
        self.limits = limits
        self.maximumConnections = maximumConnections
        self.encryption = encryption
        self.onError = onError
        // They only move bytes; requests are answered on other threads.
        group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    }

    /// Starts to listen.
    ///
    /// - Parameter address: The address.
    /// - Returns: The address with the port that the system has chosen.
    /// - Throws: `IOError`.
    func start(on address: SocketAddress) async throws -> SocketAddress {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: 4)
            .serverChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    let gate = AcceptGate(most: maximumConnections, onError: onError) { [weak self] in
                        self?.closeIdle()
                    }
                    try channel.pipeline.syncOperations.addHandler(gate)
                }
            }
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A client whose machine has vanished is noticed after two minutes.
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.init(rawValue: CInt(TCP_KEEPIDLE))), value: 60)
            .childChannelOption(.tcpOption(.init(rawValue: CInt(TCP_KEEPINTVL))), value: 15)
            .childChannelOption(.tcpOption(.init(rawValue: CInt(TCP_KEEPCNT))), value: 4)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try adopt(channel) }
            }
            .bind(to: address)
            .get()
        state.withLock { $0.channel = channel }
        return channel.localAddress ?? address
    }

    /// Refuses new connections, and ends each present one once the request that is being answered is done.
    func stop() async {
        let (channel, connections) = state.withLock { state in
            state.isStopping = true
            defer { state.channel = nil }
            return (state.channel, Array(state.connections.values))
        }
        try? await channel?.close()
        for connection in connections { connection.stop() }
    }

    /// Waits until all connections have ended.
    func drained() async {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.connections.isEmpty || Task.isCancelled { return true }
                    state.waiters[number] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
        }
    }

    /// Cancels the work on all requests.
    func abandon() { for connection in state.withLock({ Array($0.connections.values) }) { connection.abandon() } }

    /// Ends all connections and the threads that serve them.
    func shutDown() async {
        for connection in state.withLock({ Array($0.connections.values) }) { connection.closeNow() }
        try? await group.shutdownGracefully()
    }

    private func adopt(_ channel: any Channel) throws {
        if let encryption { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: encryption)) }
        let connection = Connection(
            channel, gate: HeadGate(most: limits.headBytes), responder: responder, limits: limits,
            isEncrypted: encryption != nil)
        try connection.install()
        let number = ObjectIdentifier(connection)
        let isStopping = state.withLock { state in
            state.connections[number] = connection
            return state.isStopping
        }
        channel.closeFuture.whenComplete { [self] _ in
            let waiters = state.withLock { state -> [Int: CheckedContinuation<Void, Never>] in
                state.connections[number] = nil
                guard state.connections.isEmpty else { return [:] }
                defer { state.waiters = [:] }
                return state.waiters
            }
            for waiter in waiters.values { waiter.resume() }
        }
        if isStopping { connection.stop() }
    }

    private func closeIdle() {
        for connection in state.withLock({ Array($0.connections.values) }) { connection.closeIfIdle() }
    }
}
