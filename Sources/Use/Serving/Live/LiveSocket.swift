import Foundation
import NIOHTTP1
import W2VAudio
import W2VRecognition

/// `GET /v1/live`: raw audio in, events out, over a WebSocket.
enum LiveSocket {
    /// The route.
    static let path = "/v1/live"
    /// The parameters that the route accepts.
    static let parameters = ParameterList([
        Parameter(
            name: "rate", kind: .integer(LiveAudioInput.rates),
            help: "Samples per second; that of a WAV header, or 16000, if none is given"),
        .model,
    ])

    /// Answers the request that opens a WebSocket.
    ///
    /// - Parameter call: The request.
    /// - Returns: The acceptance of the WebSocket.
    /// - Throws: `RequestError` for a request that does not open a WebSocket.
    static func begin(_ call: Call) throws -> WebSocketUpgrade {
        let (core, request) = (call.core, call.request)
        try core.requireReady()
        try checkOpening(request, path: call.path)
        let wanted = Result {
            let parameters = try call.parameters()
            return (model: try core.choose(parameters["model"], for: .text), rate: parameters.integer("rate"))
        }.mapError { RequestError($0) }
        guard core.metrics.liveBegins(most: core.options.maximumWaiting) else { throw RequestError.tooMany }
        return WebSocketUpgrade(subprotocol: subprotocol(request)) { socket in
            let began = ContinuousClock.now
            let session = LiveSession(core, request.identifier, wanted) { core.metrics.liveHeard(seconds: $0) }
            let seconds = await session.run(socket)
            core.metrics.liveEnds()
            core.finished(
                ServedRequest(request, path: path, status: 101, audioSeconds: seconds, since: began), route: path)
        }
    }

    /// Checks that a request opens a WebSocket.
    ///
    /// Source: RFC 6455, section 4.2.1.
    private static func checkOpening(_ request: Request, path: String) throws {
        guard request.headers[canonicalForm: "upgrade"].contains(where: { $0.lowercased() == "websocket" }) else {
            throw RequestError(
                status: .upgradeRequired, type: "upgrade_required",
                "\(path) is a WebSocket", "open it with ws:// or wss://",
                headers: ["Upgrade": "websocket", "Connection": "upgrade"])
        }
        func refused(_ reason: String) -> RequestError { .bad("The WebSocket cannot be opened: \(reason)") }
        guard request.headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "upgrade" }) else {
            throw refused("the header Connection does not name Upgrade")
        }
        guard !request.head.isHTTP10 else { throw refused("the request is not in HTTP/1.1") }
        guard request.headers["Sec-WebSocket-Version"] == ["13"] else {
            throw refused("the header Sec-WebSocket-Version is not 13")
        }
        let keys = request.headers["Sec-WebSocket-Key"]
        guard keys.count == 1, Data(base64Encoded: keys[0])?.count == 16 else {
            throw refused("the header Sec-WebSocket-Key is not 16 bytes in Base64")
        }
    }

    /// Returns the subprotocol to select: a browser closes the WebSocket if it offered some and the server selects none.
    private static func subprotocol(_ request: Request) -> String? {
        let offered = request.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
        return offered.first { $0 == "realtime" } ?? offered.first { $0.hasPrefix(APIKeys.subprotocol) }
    }
}
