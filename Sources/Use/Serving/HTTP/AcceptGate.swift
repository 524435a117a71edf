import Foundation
import NIOCore

/// Stops accepting connections while there are too many; new ones wait in the system's queue.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let most: Int
    private let onError: (any Error) -> Void
    private let onFull: () -> Void
    private var count = 0
    private var isReadHeld = false
    private var isAskingAgain = false

    /// Makes a gate.
    ///
    /// - Parameters:
    ///   - most: The most connections.
    ///   - onError: Called with each error of accepting connections.
    ///   - onFull: Called when there are as many.
    init(most: Int, onError: @escaping (any Error) -> Void, onFull: @escaping () -> Void) {
        self.most = most
        self.onError = onError
        self.onFull = onFull
    }

    /// Returns the handler, to be added before the gate, that accepts again only after a second while the system has no
    /// descriptors or memory left.
    ///
    /// Without it the event loop would try without end.
    static func patience() -> AcceptBackoffHandler {
        AcceptBackoffHandler { [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains($0.errnoCode) ? .seconds(1) : nil }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        onError(error)
        context.fireErrorCaught(error)
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
