import DequeModule
import Foundation
import NIOCore
import NIOHTTP1
import NIOWebSocket
import W2VBase

/// The limits of a connection.
struct ConnectionLimits: Sendable {
    /// The most bytes of a request's head.
    var headBytes = 16_384
    /// The most header fields of a request.
    var headFields = 100
    /// The most bytes of a request's body.
    var bodyBytes: Int
    /// The seconds without any byte after which a connection is closed.
    var stallSeconds: Double
    /// The seconds in which a head has to arrive.
    var headSeconds: Double { min(30, stallSeconds) }
    /// The seconds after which a connection that waits for its next request is closed to make room for others.
    var idleSeconds: Double { min(5, stallSeconds) }
    /// The least bytes per second of a body that the server waits for, beyond the first two stalls.
    var leastRate = 512.0
    /// The most bytes of a WebSocket's message.
    var messageBytes = 4 << 20
}

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

    /// A request that is being answered.
    private final class Exchange {
        let request: Request
        var task: Task<Void, Never>?
        var isBodyComplete: Bool
        var keepsAlive: Bool
        var expectsContinue: Bool
        var hasReplied = false
        /// When the current wait for the body began.
        var waitStart: NIODeadline?
        /// The time spent waiting for the body.
        var waited = TimeAmount.zero
        /// Whether the connection has begun to read the body.
        var hasBegunBody = false

        init(_ request: Request, keepsAlive: Bool, expectsContinue: Bool) {
            self.request = request
            self.keepsAlive = keepsAlive
            self.expectsContinue = expectsContinue
            isBodyComplete = false
        }
    }

    private enum State {
        case idle
        case exchange(Exchange)
        /// The last response is sent; what still comes is discarded, so that the client is not reset before it has read.
        case lingering(end: NIODeadline)
        case webSocket(WebSocketHandler)
        case closed
    }

    private let channel: any Channel
    private let gate: HeadGate
    private let responder: any Responder
    private let limits: ConnectionLimits
    private let isEncrypted: Bool
    private let client: String
    private var isHeadTimed = true
    private let encoder = HTTPResponseEncoder()
    private let decoder: ByteToMessageHandler<HTTPRequestDecoder>
    private var state = State.idle
    private var parts = Deque<HTTPServerRequestPart>()
    private var isReading = false
    private var isInputClosed = false
    private var isStopping = false
    /// The error of a head that follows requests which are not answered yet.
    private var headError: RequestError?
    private var idleSince = NIODeadline.now()
    private lazy var alarm = Alarm(on: channel.eventLoop) { [unowned self] in timeIsUp() }

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
        case .head: gate.open()
        case .body: break
        case .end: gate.expectHead()
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
                endWait(exchange)
            case (.exchange(let exchange), .end):
                exchange.isBodyComplete = true
                exchange.request.body.complete()
                endWait(exchange)
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
    private func current(_ number: ObjectIdentifier) -> Exchange? {
        if case .exchange(let exchange) = state, ObjectIdentifier(exchange) == number { exchange } else { nil }
    }

    private func refuseUnwanted(_ answer: Answer) {
        // The connection has ended; the WebSocket's function counts and reports its end.
        guard case .webSocket(let upgrade) = answer else { return }
        Task { await upgrade.run(.ended) }
    }

    // MARK: Bodies

    private func bodyIsWanted() {
        guard case .exchange(let exchange) = state, !exchange.isBodyComplete else { return }
        if exchange.expectsContinue, exchange.request.body.received == 0 { sendContinue() }
        exchange.expectsContinue = false
        if exchange.waitStart == nil, exchange.request.body.isAwaited {
            exchange.waitStart = .now()
            let allowance = 2 * limits.stallSeconds + Double(exchange.request.body.received) / limits.leastRate
            let left = allowance - Double(exchange.waited.nanoseconds) / 1e9
            alarm.set(.init(seconds: min(limits.stallSeconds, left)))
        }
        readOn()
    }

    private func endWait(_ exchange: Exchange) {
        guard let start = exchange.waitStart else { return }
        exchange.waited = exchange.waited + (NIODeadline.now() - start)
        exchange.waitStart = nil
        alarm.clear()
    }

    private func sendContinue() {
        let head = HTTPResponseHead(version: .http1_1, status: .continue)
        channel.writeAndFlush(HTTPServerResponsePart.head(head), promise: nil)
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

    // MARK: Responses

    /// The bytes that are written at once; the next ones follow when the client has taken them.
    private static let pieceBytes = 131_072

    private func send(_ reply: Reply, for exchange: Exchange) {
        guard case .bytes(let data) = reply.body else { return }
        // Nobody reads the answer.
        if reply.status.code == 499 { return close() }
        writeHead(reply, for: exchange)
        let body = exchange.request.method == .HEAD ? Data() : data
        write(body, from: body.startIndex, for: exchange)
    }

    private func writeHead(_ reply: Reply, for exchange: Exchange) {
        exchange.hasReplied = true
        var headers = reply.head
        let isHTTP10 = exchange.request.head.isHTTP10
        // Nothing but the end of the connection would end such a response.
        if case .stream = reply.body, isHTTP10 { exchange.keepsAlive = false }
        if !exchange.isBodyComplete || isStopping || isInputClosed && parts.isEmpty { exchange.keepsAlive = false }
        headers.replaceOrAdd(name: RequestIdentifier.header, value: exchange.request.identifier)
        if !exchange.keepsAlive {
            headers.replaceOrAdd(name: "Connection", value: "close")
        } else if isHTTP10 {
            headers.replaceOrAdd(name: "Connection", value: "keep-alive")
        }
        let head = HTTPResponseHead(version: exchange.request.head.version, status: reply.status, headers: headers)
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
    }

    /// Writes a piece of a body, and the next one when the client has taken it.
    private func write(_ data: Data, from start: Int, for exchange: Exchange) {
        let end = min(start + Self.pieceBytes, data.endIndex)
        let isLast = end == data.endIndex
        let written = channel.eventLoop.makePromise(of: Void.self)
        if start < end {
            let bytes = ByteBuffer(bytes: data[start..<end])
            channel.write(HTTPServerResponsePart.body(.byteBuffer(bytes)), promise: isLast ? nil : written)
        }
        if isLast { channel.write(HTTPServerResponsePart.end(nil), promise: written) }
        alarm.set(.init(seconds: limits.stallSeconds))
        channel.flush()
        written.futureResult.assumeIsolated().whenSuccess { [self] in
            guard case .exchange(let now) = state, now === exchange else { return }
            if isLast { finish(exchange) } else { write(data, from: end, for: exchange) }
        }
    }

    /// Sends a response as its chunks come.
    private func stream(
        _ chunks: AsyncThrowingStream<Data, any Error>, of reply: Reply, _ request: Request, _ number: ObjectIdentifier
    ) async {
        var isComplete = false
        do {
            try await onLoop(number) { [self] exchange in
                writeHead(reply, for: exchange)
                channel.flush()
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            if request.method != .HEAD {
                for try await chunk in chunks where !chunk.isEmpty {
                    try await onLoop(number) { [self] exchange in
                        write(.body(.byteBuffer(ByteBuffer(bytes: chunk))))
                    }
                }
            }
            try Task.checkCancellation()
            isComplete = true
        } catch {
            // The missing end tells the client that something is missing.
            closeNow()
        }
        reply.onEnd?(isComplete)
        guard isComplete else { return }
        try? await onLoop(number) { [self] _ in write(.end(nil)) }
        channel.eventLoop.execute { [self] in if let exchange = current(number) { finish(exchange) } }
    }

    private func write(_ part: HTTPServerResponsePart) -> EventLoopFuture<Void> {
        alarm.set(.init(seconds: limits.stallSeconds))
        let written = channel.writeAndFlush(part)
        written.assumeIsolated().whenComplete { [self] _ in alarm.clear() }
        return written
    }

    /// Runs a step of a response on the event loop, and waits for its end.
    private func onLoop(
        _ number: ObjectIdentifier, _ step: @escaping @Sendable (Exchange) -> EventLoopFuture<Void>
    ) async throws {
        try await channel.eventLoop.flatSubmit { [self] () -> EventLoopFuture<Void> in
            guard let exchange = current(number) else {
                return channel.eventLoop.makeFailedFuture(RequestError.gone)
            }
            return step(exchange)
        }.get()
    }

    private func finish(_ exchange: Exchange) {
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

    /// Answers what is no request; the connection ends.
    private func refuse(_ error: any Error) {
        switch (state, error) {
        case (.lingering, _), (.webSocket, _), (.closed, _): return
        // The client has closed its side in the middle of a request; `inputClosed` follows.
        case (_, HTTPParserError.invalidEOFState): return
        case (.idle, _), (.exchange, _): headError = headError ?? RequestError(malformed: error)
        }
        settleHeadError()
    }

    /// Tells the client of a malformed head or body, once all before it is answered.
    private func settleHeadError() {
        guard let headError, parts.isEmpty else { return }
        switch state {
        case .idle:
            let identifier = RequestIdentifier.new()
            let reply = responder.refusal(headError, client: client, identifier: identifier)
            guard case .bytes(let body) = reply.body else { return close() }
            var headers = reply.head
            headers.replaceOrAdd(name: RequestIdentifier.header, value: identifier)
            headers.replaceOrAdd(name: "Connection", value: "close")
            channel.write(
                HTTPServerResponsePart.head(
                    HTTPResponseHead(version: .http1_1, status: reply.status, headers: headers)),
                promise: nil)
            channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
            linger()
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
            if exchange.waitStart != nil {
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
    private func linger() {
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

    private func close() {
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

    // MARK: WebSockets

    private func open(_ upgrade: WebSocketUpgrade, for exchange: Exchange) {
        guard exchange.isBodyComplete, !isInputClosed, parts.isEmpty else {
            refuseUnwanted(.webSocket(upgrade))
            return close()
        }
        var headers = upgrade.headers
        headers.replaceOrAdd(name: RequestIdentifier.header, value: exchange.request.identifier)
        if let subprotocol = upgrade.subprotocol { headers.add(name: "Sec-WebSocket-Protocol", value: subprotocol) }
        let upgrader = NIOWebSocketServerUpgrader(
            shouldUpgrade: { [headers] channel, _ in channel.eventLoop.makeSucceededFuture(headers) },
            upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() })
        upgrader.buildUpgradeResponse(
            channel: channel, upgradeRequest: exchange.request.head, initialResponseHeaders: HTTPHeaders()
        ).assumeIsolated().whenComplete { [self] result in
            do {
                try switchProtocols(upgrade, result.get())
            } catch {
                refuseUnwanted(.webSocket(upgrade))
                close()
            }
        }
    }

    private func switchProtocols(_ upgrade: WebSocketUpgrade, _ headers: HTTPHeaders) throws {
        let head = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: headers)
        channel.writeAndFlush(HTTPServerResponsePart.head(head), promise: nil)
        let socket = WebSocket()
        let handler = WebSocketHandler(channel, gate: gate, socket: socket, limits: limits)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(WebSocketFrameEncoder())
        try pipeline.addHandler(ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: limits.messageBytes)))
        try pipeline.addHandler(handler)
        state = .webSocket(handler)
        alarm.end()
        gate.onDiscard = nil
        gate.open()
        if isStopping { handler.stop() }
        // The decoder goes last: it hands on the bytes that already follow the request.
        let gone = [
            pipeline.removeHandler(self), pipeline.removeHandler(encoder), pipeline.removeHandler(decoder),
        ]
        EventLoopFuture.andAllComplete(gone, on: channel.eventLoop).assumeIsolated().whenComplete { _ in
            handler.begin { await upgrade.run(socket) }
        }
    }
}
