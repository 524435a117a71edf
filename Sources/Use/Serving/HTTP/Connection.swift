import DequeModule
import Foundation
import NIOCore
import NIOHTTP1
import NIOWebSocket
import W2VBase

/// A client's connection: requests one after another, and perhaps a WebSocket in the end.
///
/// All requests are answered in order. The connection reads only what is wanted: the next head when the last request is
/// answered, and a body as its reader asks for it.
///
/// A client may close its side after its request and still read the answer, so the end of input does not end a request.
/// A client that has gone altogether looks the same at first, but its system answers whatever is sent to it with a
/// reset. While such a request is being worked on, it is therefore sent `100 Continue`, which every client of HTTP/1.1
/// must skip (RFC 9110, section 15.2).
///
/// `@unchecked Sendable` is safe: everything but immutable properties is used on the channel's event loop only.
final class Connection: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    enum State {
        case idle
        case exchange(Exchange)
        /// The last response is sent; what still comes is discarded, so that the client is not reset before it has read.
        case lingering(end: NIODeadline)
        case webSocket(WebSocketHandler)
        case closed
    }

    let channel: any Channel
    let gate: HeadGate
    private let responder: any Responder
    let limits: ConnectionLimits
    private let isEncrypted: Bool
    private let client: String
    private var isHeadTimed = true
    let encoder = HTTPResponseEncoder()
    let decoder: ByteToMessageHandler<HTTPRequestDecoder>
    var state = State.idle
    var parts = Deque<HTTPServerRequestPart>()
    private var isReading = false
    var isInputClosed = false
    var isStopping = false
    /// Whether the request that arrives asks for another protocol, so that the decoder expects no further one.
    private var isLastRequest = false
    /// The error of a head that follows requests which are not answered yet.
    private var headError: RequestError?
    private var idleSince = NIODeadline.now()
    lazy var alarm = Alarm(on: channel.eventLoop) { [unowned self] in timeIsUp() }

    /// Makes the connection of a channel.
    ///
    /// - Parameters:
    ///   - channel: The channel, which does not read by itself.
    ///   - gate: The channel's first handler.
    ///   - responder: What answers the requests.
    ///   - limits: The limits.
    ///   - isEncrypted: Whether the channel is encrypted.
    init(
        _ channel: any Channel, gate: HeadGate, responder: any Responder, limits: ConnectionLimits, isEncrypted: Bool
    ) {
        self.channel = channel
        self.gate = gate
        self.responder = responder
        self.limits = limits
        self.isEncrypted = isEncrypted
        client = channel.remoteAddress?.ipAddress ?? ""
        var heads = NIOHTTPDecoderLimitConfiguration()
        heads.maxHeaderFieldSize = limits.headBytes
        heads.maxHeaderListSize = limits.headBytes
        heads.maxHeaderFieldCount = limits.headFields
        decoder = ByteToMessageHandler(
            HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: heads))
    }

    /// Adds the handlers of HTTP to the channel.
    func install() throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandlers([gate, decoder, encoder, self])
    }

    // MARK: From the listener

    /// Ends the connection once the request that is being answered is done.
    func stop() {
        channel.eventLoop.execute { [self] in
            isStopping = true
            switch state {
            case .idle: close()
            case .lingering: linger()
            case .webSocket(let handler): handler.stop()
            case .exchange, .closed: break
            }
        }
    }

    /// Cancels the work on the request that is being answered.
    func abandon() {
        channel.eventLoop.execute { [self] in
            switch state {
            case .exchange(let exchange): exchange.task?.cancel()
            case .webSocket(let handler): handler.abandon()
            case .idle, .lingering, .closed: break
            }
        }
    }

    /// Ends the connection at once.
    func closeNow() { channel.eventLoop.execute { [self] in close() } }

    /// Ends the connection if no request is in flight and nothing has come for a while.
    func closeIfIdle() {
        channel.eventLoop.execute { [self] in
            if case .idle = state, gate.headBytes == 0, idleSince + .init(seconds: limits.idleSeconds) < .now() {
                close()
            }
        }
    }

    // MARK: From the channel

    func handlerAdded(context: ChannelHandlerContext) {
        gate.onDiscard = { [weak self] in self?.extendLinger() }
    }

    func channelActive(context: ChannelHandlerContext) {
        alarm.set(.init(seconds: limits.headSeconds))
        readOn()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        switch part {
        case .head(let head):
            gate.open()
            isLastRequest = head.asksForUpgrade
        case .body: break
        // What follows a request for another protocol is not a head.
        case .end: if !isLastRequest { gate.expectHead() }
        }
        switch state {
        case .idle, .exchange: parts.append(part)
        case .lingering, .webSocket, .closed: return
        }
        takeParts()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        // The time for a head runs from its first byte, however it drips.
        if case .idle = state, gate.headBytes > 0, !isHeadTimed {
            isHeadTimed = true
            alarm.set(.init(seconds: limits.headSeconds))
        }
        readOn()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event as? ChannelEvent == .inputClosed else { return context.fireUserInboundEventTriggered(event) }
        isInputClosed = true
        switch state {
        case .idle: if parts.isEmpty { close() }
        case .exchange(let exchange):
            if exchange.isBodyComplete {
                if !exchange.hasReplied { alarm.set(.seconds(1)) }
                return
            }
            exchange.keepsAlive = false
            exchange.request.body.clientHasGone()
        case .lingering: close()
        case .webSocket, .closed: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case is HTTPParserError, is HeadGate.HeadTooLarge: refuse(error)
        case is ByteToMessageDecoderError, is IOError: break
        // Encryption that cannot be understood.
        default: close()
        }
    }

    func channelInactive(context: ChannelHandlerContext) { ended() }

    // MARK: Requests

    private func takeParts() {
        while let part = parts.first {
            switch (state, part) {
            case (.exchange(let exchange), _) where exchange.isBodyComplete: return
            default: parts.removeFirst()
            }
            switch (state, part) {
            case (.idle, .head(let head)): begin(head)
            case (.exchange(let exchange), .body(let bytes)):
                exchange.request.body.deliver(bytes)
                if exchange.endWait() { alarm.clear() }
            case (.exchange(let exchange), .end):
                exchange.isBodyComplete = true
                exchange.request.body.complete()
                if exchange.endWait() { alarm.clear() }
            // What follows a request whose connection ends.
            default: break
            }
        }
        settleHeadError()
    }

    private func begin(_ head: HTTPRequestHead) {
        alarm.clear()
        isHeadTimed = false
        let lengths = head.headers[canonicalForm: "content-length"]
        let isChunked = head.headers.contains(name: "transfer-encoding")
        let body = RequestBody(
            announced: isChunked ? nil : lengths.first.flatMap { Int($0) } ?? (lengths.isEmpty ? 0 : nil),
            hasLength: isChunked || !lengths.isEmpty, limit: limits.bodyBytes
        ) { [weak self] in
            guard let self else { return }
            channel.eventLoop.execute { self.bodyIsWanted() }
        }
        let request = Request(
            head: head, body: body, client: client, identifier: RequestIdentifier.of(head.headers),
            isEncrypted: isEncrypted)
        let exchange = Exchange(
            request, keepsAlive: head.isKeepAlive && !head.asksForUpgrade,
            expectsContinue: !head.isHTTP10
                && head.headers.first(name: "expect")?.lowercased() == "100-continue")
        state = .exchange(exchange)
        if let error = RequestError(framing: head) {
            let reply = responder.refusal(error, client: client, identifier: request.identifier)
            exchange.keepsAlive = false
            return send(reply, for: exchange)
        }
        let number = ObjectIdentifier(exchange)
        exchange.task = Task { [self] in
            let answer = await responder.answer(request)
            if case .reply(let reply) = answer, case .stream(let chunks) = reply.body {
                return await stream(chunks, of: reply, request, number)
            }
            channel.eventLoop.execute { [self] in
                guard let exchange = current(number) else { return refuseUnwanted(answer) }
                switch answer {
                case .reply(let reply): send(reply, for: exchange)
                case .webSocket(let upgrade): open(upgrade, for: exchange)
                }
            }
        }
    }

    /// Returns the exchange that is being answered, if it is this one.
    func current(_ number: ObjectIdentifier) -> Exchange? {
        if case .exchange(let exchange) = state, ObjectIdentifier(exchange) == number { exchange } else { nil }
    }

    func refuseUnwanted(_ answer: Answer) {
        // The connection has ended; the WebSocket's function counts and reports its end.
        guard case .webSocket(let upgrade) = answer else { return }
        Task { await upgrade.run(.ended) }
    }

    // MARK: Bodies

    private func bodyIsWanted() {
        guard case .exchange(let exchange) = state, !exchange.isBodyComplete else { return }
        if exchange.expectsContinue, exchange.request.body.received == 0 { sendContinue() }
        exchange.expectsContinue = false
        if !exchange.isWaiting, exchange.request.body.isAwaited { alarm.set(exchange.beginWait(limits)) }
        readOn()
    }

    /// Reads if anything is wanted.
    private func readOn() {
        guard !isReading, !isInputClosed else { return }
        switch state {
        case .idle: guard parts.isEmpty, headError == nil else { return }
        case .exchange(let exchange):
            let body = exchange.request.body
            guard !exchange.isBodyComplete, body.isAwaited || exchange.hasBegunBody && body.hasRoom else { return }
            exchange.hasBegunBody = true
        case .lingering: break
        case .webSocket, .closed: return
        }
        isReading = true
        channel.read()
    }

    func finish(_ exchange: Exchange) {
        alarm.clear()
        guard exchange.keepsAlive, exchange.isBodyComplete, !isStopping, !isInputClosed || !parts.isEmpty else {
            return linger()
        }
        state = .idle
        idleSince = .now()
        isHeadTimed = gate.headBytes > 0
        alarm.set(.init(seconds: isHeadTimed ? limits.headSeconds : limits.stallSeconds))
        takeParts()
        readOn()
    }

    /// Answers input that is not a valid request, and ends the connection.
    private func refuse(_ error: any Error) {
        switch (state, error) {
        case (.lingering, _), (.webSocket, _), (.closed, _): return
        // The client has closed its side in the middle of a request; `inputClosed` follows.
        case (_, HTTPParserError.invalidEOFState): return
        case (.idle, _), (.exchange, _): headError = headError ?? RequestError(malformed: error, limits)
        }
        settleHeadError()
    }

    /// Tells the client of a malformed head or body, once all before it is answered.
    private func settleHeadError() {
        guard let headError, parts.isEmpty else { return }
        switch state {
        case .idle:
            let identifier = RequestIdentifier.new()
            send(responder.refusal(headError, client: client, identifier: identifier), identifier)
        case .exchange(let exchange) where !exchange.isBodyComplete:
            exchange.keepsAlive = false
            exchange.request.body.fail(headError.inBody)
        case .exchange, .lingering, .webSocket, .closed: break
        }
    }

    private func timeIsUp() {
        switch state {
        case .idle:
            guard gate.headBytes > 0 else { return close() }
            headError = .timeout
            settleHeadError()
        case .exchange(let exchange):
            // A wait ends without bytes when the body has failed; then the client has to take the answer.
            if exchange.isWaiting, !exchange.hasReplied {
                exchange.keepsAlive = false
                exchange.request.body.fail(RequestError.timeout)
            } else if exchange.hasReplied {
                close()
            } else if isInputClosed, !exchange.request.head.isHTTP10 {
                sendContinue()
                alarm.set(.seconds(5))
            }
        case .lingering: close()
        case .webSocket, .closed: break
        }
    }

    // MARK: The end

    /// Discards what still comes, for at most half a minute, and until nothing arrives for five seconds.
    ///
    /// A connection that is closed with unread bytes is reset, and the client might never see the response.
    func linger() {
        guard !isInputClosed else { return close() }
        gate.discard()
        parts.removeAll()
        let time = TimeAmount.seconds(isStopping ? 2 : 30)
        if case .lingering = state {} else { channel.close(mode: .output, promise: nil) }
        state = .lingering(end: .now() + time)
        extendLinger()
        readOn()
    }

    private func extendLinger() {
        guard case .lingering(let end) = state else { return }
        alarm.set(min(.seconds(5), end - .now()))
    }

    func close() {
        ended()
        channel.close(promise: nil)
    }

    private func ended() {
        alarm.end()
        isInputClosed = true
        gate.onDiscard = nil
        parts.removeAll()
        if case .exchange(let exchange) = state {
            exchange.request.body.clientHasGone()
            exchange.task?.cancel()
        }
        state = .closed
    }
}
