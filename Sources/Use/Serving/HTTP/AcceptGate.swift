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
    private var nextReport = NIODeadline.now()

    private static let shortages: Set<Int32> = [EMFILE, ENFILE, ENOBUFS, ENOMEM]

    /// Makes a gate.
    ///
    /// - Parameters:
    ///   - most: The most connections.
    ///   - onError: Called with errors of accepting connections, at most once a second for a shortage.
    ///   - onFull: Called when there are as many, or the system has no descriptors or memory for more.
    init(most: Int, onError: @escaping (any Error) -> Void, onFull: @escaping () -> Void) {
        self.most = most
        self.onError = onError
        self.onFull = onFull
    }

    /// Waits a moment while the system has no descriptors or memory left.
    ///
    /// The socket stays readable, so NIO tries again at once and without end; its own handler only defers reads that
    /// follow a success. Waiting blocks this event loop, but not the other one.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, Self.shortages.contains(error.errnoCode) else {
            onError(error)
            return context.fireErrorCaught(error)
        }
        if NIODeadline.now() >= nextReport {
            nextReport = .now() + .seconds(1)
            onError(error)
            onFull()
        }
        usleep(10_000)
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
