import FlyingFox
import Foundation

/// A request to a route.
struct Call: Sendable {
    let core: ServerCore
    let request: HTTPRequest
    /// The path, percent-decoded.
    let path: String
    /// The part of the path that matches a route's `{id}`.
    let identifier: String
    /// The parameter names that the route accepts.
    let names: Parameters.Names
    let body: RequestBody
    fileprivate let query: [(name: String, value: String)]

    /// Whether the body is a form.
    var hasForm: Bool {
        Multipart.parameters(request.headers[.contentType] ?? "").value == "multipart/form-data"
    }

    /// Returns the parameters of the query and the form.
    ///
    /// - Parameter fields: The form's fields.
    /// - Returns: The query's parameters and the form's fields.
    /// - Throws: `RequestError` for a name that the route does not accept.
    func parameters(adding fields: [(name: String, value: String)] = []) throws -> Parameters {
        try Parameters(query + fields, known: names, for: path)
    }
}

/// Routes a request, answers every error with a sentence, and reports the request.
struct RequestHandler: HTTPHandler {
    /// The outcome of a route.
    enum Answer: Sendable {
        case reply(Reply)
        /// Live input begins; it is reported when it has ended.
        case live(HTTPResponse)
    }

    /// A path and its handler.
    struct Route: Sendable {
        var method: HTTPMethod
        /// The path; `{id}` at its end matches any text.
        var path: String
        var names = Parameters.Names.none
        var answer: @Sendable (Call) async throws -> Answer

        /// Returns the part of a path that matches `{id}`: empty if the route has none, nil if the path does not match.
        func identifier(in path: String) -> String? {
            guard self.path.hasSuffix("{id}") else { return self.path == path ? "" : nil }
            let start = self.path.dropLast(4)
            return path.hasPrefix(start) && path.count > start.count ? String(path.dropFirst(start.count)) : nil
        }
    }

    static let routes = [
        // A page's query is its scripts' business, and links accumulate parameters.
        Route(method: .GET, path: "/", names: Parameters.Names(used: [], takesAny: true)) { _ in
            .reply(WebPage.document())
        },
        Route(method: .GET, path: WebPage.filesPath) { .reply(try WebPage.file(named: $0.identifier)) },
        Route(method: .GET, path: "/health") { .reply(try .health($0.core)) },
        Route(method: .GET, path: "/metrics") { .reply(.metrics($0.core)) },
        Route(method: .GET, path: "/v1/models") { .reply(try .models($0.core)) },
        Route(method: .GET, path: "/v1/models/{id}") { .reply(try .model($0.core, named: $0.identifier)) },
        Route(method: .GET, path: LiveSocket.path, names: LiveSocket.names) { try await .live(LiveSocket.begin($0)) },
        Route(method: .POST, path: "/v1/transcribe", names: Reply.transcriptionNames) {
            .reply(try await Reply.transcription($0))
        },
        Route(method: .POST, path: "/v1/audio/transcriptions", names: Reply.openAINames) {
            .reply(try await Reply.openAITranscription($0))
        },
    ]

    let core: ServerCore

    func handleRequest(_ request: HTTPRequest) async throws -> HTTPResponse {
        let began = ContinuousClock.now
        core.metrics.requestBegins()
        let body = RequestBody(request, limit: core.options.maximumUploadBytes) { [core] in core.isStopping }
        let target = RequestTarget(request.target)
        let route = Self.routes.first { $0.identifier(in: target.path) != nil }?.path ?? "other"
        var origin: String?
        var reply: Reply
        do {
            try Self.checkFraming(request)
            origin = try core.access.check(request.headers, host: target.host)
            switch try await answer(request, target, body, isForeign: origin != nil) {
            case .live(let response): return response
            case .reply(let answer): reply = answer
            }
        } catch {
            var error = RequestError(error)
            // The request was abandoned because the server is stopping.
            if error.type == RequestError.gone.type, core.isStopping, !body.watch.isGone { error = .stopping }
            if let hidden = error.hidden { core.tell(.trouble("\(target.path): \(hidden)")) }
            reply = error.reply
        }
        if let origin { reply.headers.merge(AccessRules.headers(for: origin)) { own, _ in own } }
        core.finished(
            ServedRequest(
                method: request.method.rawValue, path: target.path, status: reply.status.code,
                audioSeconds: reply.audioSeconds, seconds: (ContinuousClock.now - began) / .seconds(1)),
            route: route)
        return response(reply, to: request, body)
    }

    /// Refuses requests that two servers in a row could parse differently, the basis of request smuggling.
    private static func checkFraming(_ request: HTTPRequest) throws {
        guard ["HTTP/1.0", "HTTP/1.1"].contains(request.version.rawValue) else {
            throw RequestError(
                status: .httpVersionNotSupported, type: "bad_version",
                "The request is in \"\(request.version.rawValue.prefix(20))\"", "this server speaks HTTP/1.1")
        }
        if let length = request.headers[.contentLength], !length.utf8.allSatisfy({ (48...57).contains($0) }) {
            throw RequestError.bad("The Content-Length \"\(length.prefix(40))\" is not a number of digits only")
        }
    }

    private func answer(
        _ request: HTTPRequest, _ target: RequestTarget, _ body: RequestBody, isForeign: Bool
    ) async throws -> Answer {
        let there = Self.routes.filter { $0.identifier(in: target.path) != nil }
        guard !there.isEmpty else {
            let routes = Self.routes.map { "\($0.method.rawValue) \($0.path)" }
            throw RequestError(
                status: .notFound, type: "not_found",
                "There is no \(target.path)", "the routes are \(routes.joined(separator: ", "))",
                routes: routes)
        }
        if request.method == .OPTIONS, isForeign { return .reply(AccessRules.preflight(request.headers)) }
        let method = request.method == .HEAD ? .GET : request.method
        guard let route = there.first(where: { $0.method == method }) else {
            let allowed = there.map(\.method.rawValue).joined(separator: ", ")
            throw RequestError(
                status: .methodNotAllowed, type: "method_not_allowed",
                "\(target.path) answers to \(allowed), not to \(request.method.rawValue)",
                headers: [HTTPHeader("Allow"): allowed])
        }
        let call = Call(
            core: core, request: request, path: target.path, identifier: route.identifier(in: target.path) ?? "",
            names: route.names, body: body, query: target.query)
        // Checked before an upload arrives; live input reports errors over its WebSocket, where browsers can see them.
        if route.path != LiveSocket.path { _ = try call.parameters() }
        return try await route.answer(call)
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
