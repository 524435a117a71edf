import Foundation
import NIOCore
import NIOHTTP1

/// Responses: whole ones in pieces, and those that are streamed as their chunks come.
extension Connection {
    /// The bytes that are written at once; the next ones follow when the client has taken them.
    private static let pieceBytes = 131_072

    func send(_ reply: Reply, for exchange: Exchange) {
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

    /// Sends the response to input that is not a valid request, and ends the connection.
    func send(_ reply: Reply, _ identifier: String) {
        guard case .bytes(let body) = reply.body else { return close() }
        var headers = reply.head
        headers.replaceOrAdd(name: RequestIdentifier.header, value: identifier)
        headers.replaceOrAdd(name: "Connection", value: "close")
        let head = HTTPResponseHead(version: .http1_1, status: reply.status, headers: headers)
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
        channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        linger()
    }

    func sendContinue() {
        let head = HTTPResponseHead(version: .http1_1, status: .continue)
        channel.writeAndFlush(HTTPServerResponsePart.head(head), promise: nil)
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
    func stream(
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
            // Without the final chunk, the client sees that the response is incomplete.
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
}
