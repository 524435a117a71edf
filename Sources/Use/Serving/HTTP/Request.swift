import NIOHTTP1

/// A request as it arrives: its head, then its body.
struct Request: Sendable {
    /// The method, target, version and headers.
    var head: HTTPRequestHead
    /// The body, which is received as it is read.
    var body: RequestBody
    /// The client's address without the port; empty if it is not known.
    var client: String
    /// The request's identifier: the client's own `X-Request-ID`, or a new one.
    var identifier: String
    /// Whether the connection is encrypted.
    var isEncrypted: Bool

    /// The method.
    var method: HTTPMethod { head.method }

    /// The headers.
    var headers: HTTPHeaders { head.headers }

    /// Returns the only value of a header, the first if there are several, or nil.
    subscript(header: String) -> String? { head.headers.first(name: header) }
}

/// The outcome of a request.
enum Answer: Sendable {
    case reply(Reply)
    /// The connection becomes a WebSocket.
    case webSocket(WebSocketUpgrade)
}

/// The acceptance of a WebSocket.
struct WebSocketUpgrade: Sendable {
    /// The subprotocol chosen among those that the client offers; nil if it offers none that is known.
    var subprotocol: String?
    /// More headers of the response.
    var headers = HTTPHeaders()
    /// Called with the open WebSocket; it is closed when the function returns.
    var run: @Sendable (WebSocket) async -> Void
}

/// What answers the requests of a server's connections.
protocol Responder: Sendable {
    /// Answers a request; the task is canceled when the client has gone.
    func answer(_ request: Request) async -> Answer

    /// Returns the response to what is no valid request, such as a malformed head.
    func refusal(_ error: RequestError, client: String, identifier: String) -> Reply
}
