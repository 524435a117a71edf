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
        /// Called when the last connection has ended.
        var onEmpty: CheckedContinuation<Void, Never>?
    }

    private let group: MultiThreadedEventLoopGroup
    private let responder: any Responder
    private let limits: ConnectionLimits
    private let maximumConnections: Int
    private let encryption: NIOSSLContext?
    private let state = Mutex(State())

    /// Makes a listener.
    ///
    /// - Parameters:
    ///   - responder: What answers the requests.
    ///   - limits: The limits of each connection.
    ///   - maximumConnections: The most connections; more have to wait until others end.
    ///   - encryption: The certificate and its key; nil for plain connections.
    init(
        _ responder: any Responder, limits: ConnectionLimits, maximumConnections: Int, encryption: NIOSSLContext?
    ) {
        self.responder = responder
        self.limits = limits
        self.maximumConnections = maximumConnections
        self.encryption = encryption
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
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptGate(most: maximumConnections) { [weak self] in self?.closeIdle() })
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
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isEmpty = state.withLock { state in
                    if state.connections.isEmpty || Task.isCancelled { return true }
                    state.onEmpty = continuation
                    return false
                }
                if isEmpty { continuation.resume() }
            }
        } onCancel: {
            takeWaiter()?.resume()
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
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                state.connections[number] = nil
                guard state.connections.isEmpty else { return nil }
                defer { state.onEmpty = nil }
                return state.onEmpty
            }
            waiter?.resume()
        }
        if isStopping { connection.stop() }
    }

    private func closeIdle() {
        for connection in state.withLock({ Array($0.connections.values) }) { connection.closeIfIdle() }
    }

    private func takeWaiter() -> CheckedContinuation<Void, Never>? {
        state.withLock { state in
            defer { state.onEmpty = nil }
            return state.onEmpty
        }
    }
}

/// Stops to accept connections while there are too many; those that come wait in the system's queue.
///
/// Without descriptors the server waits as well: NIO's own handler accepts again after a second.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let most: Int
    private let onFull: () -> Void
    private var count = 0
    private var isReadHeld = false
    private var isAskingAgain = false

    /// Makes a gate.
    ///
    /// - Parameters:
    ///   - most: The most connections.
    ///   - onFull: Called when there are as many.
    init(most: Int, onFull: @escaping () -> Void) {
        self.most = most
        self.onFull = onFull
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        count += 1
        unwrapInboundIn(data).closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { [self] _ in
            count -= 1
            guard isReadHeld, count < most else { return }
            isReadHeld = false
            context.read()
        }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        guard count < most else {
            isReadHeld = true
            return makeRoom(context)
        }
        context.read()
    }

    /// Asks for connections to be closed, until there is room.
    private func makeRoom(_ context: ChannelHandlerContext) {
        guard isReadHeld, !isAskingAgain, context.channel.isActive else { return }
        onFull()
        isAskingAgain = true
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { [self] in
            isAskingAgain = false
            makeRoom(context)
        }
    }
}
