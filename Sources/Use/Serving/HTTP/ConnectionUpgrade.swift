import NIOCore
import NIOHTTP1
import NIOWebSocket

/// From requests to a WebSocket (RFC 6455, section 4.2).
extension Connection {
    func open(_ upgrade: WebSocketUpgrade, for exchange: Exchange) {
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
