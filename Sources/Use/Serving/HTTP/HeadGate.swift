import NIOCore

/// The first handler of a connection: bounds the bytes of a request's head, before anything gathers or parses them.
///
/// The decoder behind it has limits too, but they do not count spaces and line ends.
final class HeadGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// A head has too many bytes.
    struct HeadTooLarge: Error {}

    private enum Mode { case head, open, discarding }

    private let most: Int
    private var mode = Mode.head
    /// The bytes of the current head that have arrived.
    private(set) var headBytes = 0
    /// Called when bytes arrive that are discarded.
    var onDiscard: (() -> Void)?

    /// Makes a gate for heads of at most this many bytes.
    init(most: Int) { self.most = most }

    /// Starts to count the bytes of the next head.
    func expectHead() {
        guard mode != .discarding else { return }
        (mode, headBytes) = (.head, 0)
    }

    /// Lets all bytes pass: the head is complete.
    func open() { if mode == .head { (mode, headBytes) = (.open, 0) } }

    /// Discards all bytes from now on.
    func discard() { mode = .discarding }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        // What follows a head in the same read may be a body, so a head gets no more than its share.
        while mode == .head, bytes.readableBytes > 0 {
            guard let part = bytes.readSlice(length: min(bytes.readableBytes, most - headBytes)), part.readableBytes > 0
            else {
                discard()
                return context.fireErrorCaught(HeadTooLarge())
            }
            headBytes += part.readableBytes
            context.fireChannelRead(wrapInboundOut(part))
        }
        switch mode {
        case .head: break
        case .open: if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
        case .discarding: onDiscard?()
        }
    }
}
