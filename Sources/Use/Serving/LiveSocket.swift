import FlyingFox
import Foundation
import W2VAudio
import W2VRecognition

/// `GET /v1/live`: raw audio in, events out, over a WebSocket.
struct LiveSocket: WSHandler {
    /// The route.
    static let path = "/v1/live"
    /// The parameters that the route accepts.
    static let names = Parameters.Names(used: ["rate"])

    let core: ServerCore
    let recognizer: Recognizer
    /// The samples per second, or the error in the request.
    let rate: Result<Int, RequestError>
    let request: HTTPRequest

    /// Answers the request that opens a WebSocket.
    ///
    /// - Parameter call: The request.
    /// - Returns: The response that switches protocols.
    /// - Throws: `RequestError` for a request that does not open a WebSocket.
    static func begin(_ call: Call) async throws -> HTTPResponse {
        let (core, request) = (call.core, call.request)
        let model = try core.model()
        guard request.headers[.upgrade]?.lowercased() == "websocket" else {
            throw RequestError(
                status: HTTPStatusCode(426, phrase: "Upgrade Required"), type: "upgrade_required",
                "\(call.path) is a WebSocket", "open it with ws:// or wss://",
                headers: [.upgrade: "websocket", .connection: "upgrade"])
        }
        let input = LiveSocket(core: core, recognizer: model.recognizer, rate: rate(of: call), request: request)
        let response = try await WebSocketHTTPHandler(handler: input).handleRequest(request)
        guard response.statusCode == .switchingProtocols else {
            let reason = String(decoding: try await response.bodyData, as: UTF8.self)
            throw RequestError.bad("The WebSocket cannot be opened: \(reason)")
        }
        guard core.metrics.liveBegins(most: core.options.maximumWaiting) else { throw RequestError.tooMany }
        return response
    }

    private static func rate(of call: Call) -> Result<Int, RequestError> {
        Result {
            guard let text = try call.parameters()["rate"] else { return AudioFile.modelSampleRate }
            guard let rate = Int(text), (1000...1_000_000).contains(rate) else {
                throw RequestError.bad(
                    "The rate is \(text.prefix(40))", "it must be from 1000 to 1000000 samples a second")
            }
            return rate
        }.mapError { RequestError($0) }
    }

    func makeFrames(for client: AsyncThrowingStream<WSFrame, any Error>) async throws -> AsyncStream<WSFrame> {
        let (frames, output) = AsyncStream<WSFrame>.makeStream()
        let session = Task {
            let began = ContinuousClock.now
            let session = LiveSession(
                recognizer, rate: rate, isStopping: { core.isStopping }, output: output,
                heard: { core.metrics.liveHeard(seconds: $0) })
            let seconds = await ConnectionPhase.$current.withValue(.live) { await session.run(client) }
            output.finish()
            core.metrics.liveEnds()
            core.finished(
                ServedRequest(
                    method: request.method.rawValue, path: Self.path, status: 101, audioSeconds: seconds,
                    seconds: (ContinuousClock.now - began) / .seconds(1)), route: Self.path)
        }
        // The connection closed while there were messages to send.
        output.onTermination = { if case .cancelled = $0 { session.cancel() } }
        return frames
    }
}
