import FlyingFox
import Foundation

/// Finds a request's route, answers every error with a sentence, and reports the request.
struct RequestHandler: HTTPHandler {
    /// What a route answers with.
    enum Answer: Sendable {
        case reply(Reply)
        /// Live input begins; it reports itself when it has ended.
        case live(HTTPResponse)
    }

    /// A path and what answers there.
    struct Route: Sendable {
        var method: HTTPMethod
        var path: String
        var answer: @Sendable (ServerCore, HTTPRequest, RequestBody) async throws -> Answer
    }

    static let routes = [
        Route(method: .GET, path: "/") { _, _, _ in .reply(.page) },
        Route(method: .GET, path: "/health") { core, _, _ in .reply(try .health(core)) },
        Route(method: .GET, path: "/metrics") { core, _, _ in .reply(.metrics(core)) },
        Route(method: .GET, path: "/v1/live") { core, request, _ in try await .live(LiveInput.begin(core, request)) },
        Route(method: .POST, path: "/v1/transcribe") { core, request, body in
            .reply(try await Reply.transcription(core, request, body))
        },
        Route(method: .POST, path: "/v1/audio/transcriptions") { core, request, body in
            .reply(try await Reply.openAITranscription(core, request, body))
        },
    ]

    let core: ServerCore

    func handleRequest(_ request: HTTPRequest) async throws -> HTTPResponse {
        let began = ContinuousClock.now
        core.metrics.requestBegins()
        let body = RequestBody(request, limit: core.options.maximumUploadBytes)
        let path = Self.routes.contains { $0.path == request.path } ? request.path : "other"
        let reply: Reply
        do {
            switch try await answer(request, body) {
            case .live(let response): return response
            case .reply(let answer): reply = answer
            }
        } catch {
            reply = RequestError(error).reply
        }
        core.finished(
            ServedRequest(
                method: request.method.rawValue, path: request.path, status: reply.status.code,
                audioSeconds: reply.audioSeconds, seconds: (ContinuousClock.now - began) / .seconds(1)),
            route: path)
        return response(reply, to: request, body)
    }

    private func answer(_ request: HTTPRequest, _ body: RequestBody) async throws -> Answer {
        let there = Self.routes.filter { $0.path == request.path }
        guard !there.isEmpty else {
            let routes = Self.routes.map { "\($0.method.rawValue) \($0.path)" }
            throw RequestError(
                status: .notFound, type: "not_found",
                message: "There is no \(request.path); the routes are \(routes.joined(separator: ", ")).",
                routes: routes)
        }
        let method = request.method == .HEAD ? .GET : request.method
        guard let route = there.first(where: { $0.method == method }) else {
            let allowed = there.map(\.method.rawValue).joined(separator: ", ")
            throw RequestError(
                status: .methodNotAllowed, type: "method_not_allowed",
                message: "\(request.path) answers to \(allowed), not to \(request.method.rawValue).",
                headers: [HTTPHeader("Allow"): allowed])
        }
        return try await route.answer(core, request, body)
    }

    private func response(_ reply: Reply, to request: HTTPRequest, _ body: RequestBody) -> HTTPResponse {
        var headers = HTTPHeaders()
        headers[.contentType] = reply.contentType
        headers[.contentLength] = String(reply.body.count)
        for (header, value) in reply.headers { headers[header] = value }
        let content = request.method == .HEAD ? Data() : reply.body
        guard !body.isAtEnd || core.isStopping else {
            return HTTPResponse(
                statusCode: reply.status, headers: headers,
                body: HTTPBodySequence(data: content, suggestedBufferSize: 65_536))
        }
        headers[.connection] = "close"
        let last = LastResponseBody(data: content, request: body)
        return HTTPResponse(
            statusCode: reply.status, headers: headers,
            body: HTTPBodySequence(from: last, count: content.count, suggestedBufferSize: 65_536))
    }
}
