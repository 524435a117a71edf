import NIOHTTP1

/// A path and what answers it.
struct Route: Sendable {
    var method: HTTPMethod
    /// The path; `{id}` at its end matches any text.
    var path: String
    var names = Parameters.Names.none
    /// Whether anyone may ask, even when keys are required.
    var isOpen = false
    var answer: @Sendable (Call) async throws -> Answer

    /// Returns the part of a path that matches `{id}`: empty if the route has none, nil if the path does not match.
    func identifier(in path: String) -> String? {
        guard self.path.hasSuffix("{id}") else { return self.path == path ? "" : nil }
        let start = self.path.dropLast(4)
        return path.hasPrefix(start) && path.count > start.count ? String(path.dropFirst(start.count)) : nil
    }

    /// All routes.
    static let all = [
        // A page's query is its scripts' business, and links accumulate parameters.
        Route(method: .GET, path: "/", names: Parameters.Names(used: [], takesAny: true), isOpen: true) { _ in
            .reply(WebPage.document())
        },
        Route(method: .GET, path: WebPage.filesPath, isOpen: true) { .reply(try WebPage.file(named: $0.identifier)) },
        Route(method: .GET, path: "/health", isOpen: true) { .reply(try .health($0.core)) },
        Route(method: .GET, path: "/ready", isOpen: true) { .reply(try .ready($0.core)) },
        Route(method: .GET, path: "/metrics") { .reply(.metrics($0.core)) },
        Route(method: .GET, path: "/v1/models") { .reply(try .models($0.core)) },
        Route(method: .GET, path: "/v1/models/{id}") { .reply(try .model($0.core, named: $0.identifier)) },
        Route(method: .GET, path: LiveSocket.path, names: LiveSocket.names) { .webSocket(try LiveSocket.begin($0)) },
        Route(method: .POST, path: "/v1/transcribe", names: Reply.transcriptionNames) {
            .reply(try await Reply.transcription($0))
        },
        Route(method: .POST, path: "/v1/audio/transcriptions", names: Reply.openAINames) {
            .reply(try await Reply.openAITranscription($0))
        },
    ]
}

/// A request to a route.
struct Call: Sendable {
    let core: ServerCore
    let request: Request
    /// The path, percent-decoded.
    let path: String
    /// The part of the path that matches a route's `{id}`.
    let identifier: String
    /// The parameter names that the route accepts.
    let names: Parameters.Names
    /// The query's names and values.
    let query: [(name: String, value: String)]

    /// Whether the body is a form.
    var hasForm: Bool { Multipart.parameters(request["Content-Type"] ?? "").value == "multipart/form-data" }

    /// Returns the parameters of the query and the form.
    ///
    /// - Parameter fields: The form's fields.
    /// - Returns: The query's parameters and the form's fields.
    /// - Throws: `RequestError` for a name that the route does not accept.
    func parameters(adding fields: [(name: String, value: String)] = []) throws -> Parameters {
        try Parameters(query + fields, known: names, for: path)
    }
}
