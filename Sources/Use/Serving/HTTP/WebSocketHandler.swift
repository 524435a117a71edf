import Foundation
import NIOCore
import NIOWebSocket

/// The connection's side of a WebSocket: checks frames, joins them into messages, answers pings, and sends.
///
/// Source: RFC 6455, sections 5 and 7.
///
/// `@unchecked Sendable` is safe: everything but immutable properties is used on the channel's event loop only.
final class WebSocketHandler: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private enum State {
        case open
        /// The input is over: the client has closed the WebSocket, broken the protocol, or gone.
        case deaf
        /// The frame that closes the WebSocket is sent, and that of the client is awaited.
        case closing
        /// What still comes is discarded until the client closes the connection.
        case lingering
        case closed
    }

    private let channel: any Channel
    private let gate: HeadGate
    private let socket: WebSocket
    private let limits: ConnectionLimits
    private var state = State.open
    private var message: (isText: Bool, bytes: ByteBuffer)?
    private var isReading = false
    private var isInputClosed = false
    /// Whether the client has closed the WebSocket, or nothing more can be understood.
    private var hasClientClosed = false
    /// Whether the client's system has taken the frame that closes the WebSocket, and all before it.
    private var isCloseSent = false
    private var pendingWrites = 0
    private var task: Task<Void, Never>?
    /// The time without input, and later the time for the closing handshake.
    private lazy var inputAlarm = Alarm(on: channel.eventLoop) { [unowned self] in inputIsLate() }
    /// The time in which the client has to take what is sent.
    private lazy var outputAlarm = Alarm(on: channel.eventLoop) { [unowned self] in shut() }

    /// Makes the handler of a channel that has switched protocols.
    init(_ channel: any Channel, gate: HeadGate, socket: WebSocket, limits: ConnectionLimits) {
        self.channel = channel
        self.gate = gate
        self.socket = socket
        self.limits = limits
        socket.connect(to: self)
    }

    /// Starts to read, and runs the WebSocket's function; its return ends the connection.
    func begin(_ body: @escaping @Sendable () async -> Void) {
        task = Task { [self] in
            await body()
            channel.eventLoop.execute { [self] in
                switch state {
                case .open, .deaf: shut()
                case .closing, .lingering, .closed: break
                }
            }
        }
        if state == .closed { task?.cancel() }
        inputAlarm.set(.init(seconds: limits.stallSeconds))
        readOn()
    }

    // MARK: From other threads

    /// Ends the input because the server is stopping.
    func stop() {
        channel.eventLoop.execute { [self] in
            guard state == .open else { return }
            state = .deaf
            inputAlarm.clear()
            socket.end(.stopping)
        }
    }

    /// Cancels the WebSocket's function.
    func abandon() { channel.eventLoop.execute { [self] in task?.cancel() } }

    /// Reads on if there is room.
    func wake() { channel.eventLoop.execute { [self] in readOn() } }

    /// Sends a text.
    func send(_ text: String) async throws {
        try await channel.eventLoop.flatSubmit { [self] () -> EventLoopFuture<Void> in
            guard state == .open || state == .deaf else {
                return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
            }
            return write(WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: text)))
        }.get()
    }

    /// Sends the frame that closes the WebSocket.
    func close(code: UInt16, reason: String) {
        channel.eventLoop.execute { [self] in
            guard state == .open || state == .deaf else { return }
            // Otherwise the client's closing frame has come, or would not be understood.
            let awaitsClient = state == .open
            var bytes = ByteBuffer()
            bytes.write(webSocketErrorCode: WebSocketErrorCode(codeNumber: Int(code)))
            bytes.writeString(reason)
            state = .closing
            message = nil
            inputAlarm.clear()
            let written = write(WebSocketFrame(fin: true, opcode: .connectionClose, data: bytes))
            written.assumeIsolated().whenComplete { [self] _ in
                isCloseSent = true
                if !awaitsClient || hasClientClosed {
                    linger()
                } else if state == .closing {
                    inputAlarm.set(.seconds(2))
                }
            }
            readOn()
        }
    }

    // MARK: From the channel

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch state {
        case .open:
            // Pings alone do not keep a WebSocket open, and neither do empty messages.
            let isData = [.text, .binary, .continuation].contains(frame.opcode)
            if isData, frame.data.readableBytes > 0 { inputAlarm.set(.init(seconds: limits.stallSeconds)) }
            take(frame)
        case .closing:
            guard frame.opcode == .connectionClose else { return }
            hasClientClosed = true
            if isCloseSent { linger() }
        case .deaf, .lingering, .closed: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        readOn()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { readOn() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event as? ChannelEvent == .inputClosed else { return context.fireUserInboundEventTriggered(event) }
        isInputClosed = true
        switch state {
        case .open, .deaf:
            state = .deaf
            inputAlarm.clear()
            socket.end(.gone)
        case .closing:
            hasClientClosed = true
            if isCloseSent { shut() }
        case .lingering: shut()
        case .closed: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOWebSocketError.invalidFrameLength: fail(tooLong)
        case NIOWebSocketError.fragmentedControlFrame, NIOWebSocketError.multiByteControlFrameLength:
            fail(.badControlFrame)
        case is ByteToMessageDecoderError, is IOError: break
        default: shut()
        }
    }

    func channelInactive(context: ChannelHandlerContext) { ended() }

    // MARK: Frames

    private struct Fault {
        var sentence: String
        var code: UInt16

        static let badControlFrame = Fault(
            sentence: "A control frame is fragmented or has more than 125 bytes.", code: 1002)
    }

    private var tooLong: Fault {
        Fault(
            sentence: "A message has more than \(limits.messageBytes >> 20) MB; send audio in smaller pieces.",
            code: 1009
        )
    }

    private func take(_ frame: WebSocketFrame) {
        guard !frame.rsv1, !frame.rsv2, !frame.rsv3 else {
            return fail(
                Fault(sentence: "A frame has a reserved bit, but no extension was agreed on.", code: 1002))
        }
        guard frame.maskKey != nil else {
            return fail(Fault(sentence: "A frame is not masked, as those of clients must be.", code: 1002))
        }
        let bytes = frame.unmaskedData
        switch frame.opcode {
        case .ping: _ = write(WebSocketFrame(fin: true, opcode: .pong, data: bytes))
        case .pong: break
        case .connectionClose: takeClose(bytes)
        case .text, .binary:
            guard message == nil else {
                return fail(Fault(sentence: "A message begins inside another one.", code: 1002))
            }
            message = (frame.opcode == .text, bytes)
            if frame.fin { endMessage() }
        case .continuation where message != nil:
            guard (message?.bytes.readableBytes ?? 0) + bytes.readableBytes <= limits.messageBytes else {
                return fail(tooLong)
            }
            message?.bytes.writeImmutableBuffer(bytes)
            if frame.fin { endMessage() }
        default: fail(Fault(sentence: "A frame has an unknown opcode.", code: 1002))
        }
    }

    private func takeClose(_ bytes: ByteBuffer) {
        let count = bytes.readableBytes
        let code = bytes.getInteger(at: bytes.readerIndex, as: UInt16.self)
        let isKnown = code.map {
            (1000...1003).contains($0) || (1007...1014).contains($0) || (3000...4999).contains($0)
        }
        guard count == 0 || count >= 2 && isKnown == true else {
            return fail(Fault(sentence: "The frame that closes the WebSocket has no valid code.", code: 1002))
        }
        guard count <= 2 || String(validating: bytes.readableBytesView.dropFirst(2), as: UTF8.self) != nil else {
            return fail(Fault(sentence: "The reason for closing the WebSocket is not UTF-8.", code: 1007))
        }
        hasClientClosed = true
        state = .deaf
        inputAlarm.clear()
        socket.end(.closed)
    }

    private func endMessage() {
        guard let whole = message else { return }
        message = nil
        guard whole.isText else {
            socket.deliver(.binary(Data(whole.bytes.readableBytesView)))
            return
        }
        guard let text = String(validating: whole.bytes.readableBytesView, as: UTF8.self) else {
            return fail(Fault(sentence: "A text message is not UTF-8.", code: 1007))
        }
        socket.deliver(.text(text))
    }

    /// Ends the input; the reader says why and closes the WebSocket.
    private func fail(_ fault: Fault) {
        guard state == .open else {
            // The client's answer to the closing frame cannot be recognized any more.
            if state == .closing {
                hasClientClosed = true
                if isCloseSent { linger() }
            }
            return
        }
        state = .deaf
        message = nil
        inputAlarm.clear()
        gate.discard()
        socket.end(.failed(fault.sentence, code: fault.code))
    }

    private func inputIsLate() {
        switch state {
        case .open:
            // The model, or the client as a reader, is behind.
            guard isReading else { return inputAlarm.set(.init(seconds: limits.stallSeconds)) }
            fail(Fault(sentence: "No data arrived for too long.", code: 1008))
        case .closing, .lingering: shut()
        case .deaf, .closed: break
        }
    }

    private func readOn() {
        guard !isReading, !isInputClosed else { return }
        switch state {
        // Each ping takes room in the output.
        case .open: guard socket.hasRoom, channel.isWritable else { return }
        case .closing, .lingering: break
        case .deaf, .closed: return
        }
        isReading = true
        channel.read()
    }

    // MARK: Output

    private func write(_ frame: WebSocketFrame) -> EventLoopFuture<Void> {
        pendingWrites += 1
        if pendingWrites == 1 { outputAlarm.set(.init(seconds: limits.stallSeconds)) }
        let written = channel.writeAndFlush(frame)
        written.assumeIsolated().whenComplete { [self] _ in
            pendingWrites -= 1
            if pendingWrites == 0 { outputAlarm.clear() } else { outputAlarm.set(.init(seconds: limits.stallSeconds)) }
        }
        return written
    }

    // MARK: The end

    /// Waits, for a while, until the client closes the connection too, so that all messages arrive before it ends.
    private func linger() {
        guard state != .closed else { return }
        guard !isInputClosed else { return shut() }
        state = .lingering
        gate.discard()
        channel.close(mode: .output, promise: nil)
        inputAlarm.set(.seconds(2))
        readOn()
    }

    private func shut() {
        ended()
        channel.close(promise: nil)
    }

    private func ended() {
        guard state != .closed else { return }
        state = .closed
        inputAlarm.end()
        outputAlarm.end()
        socket.end(.gone)
        task?.cancel()
    }
}
