import NIOHTTP1
import W2VBase

/// A path of the server: what it takes, what it answers, and what answers it.
///
/// The declaration is the only one. Requests are checked against it, and `/openapi.json` is written from it.
struct Route: Sendable {
    /// The body of a request.
    enum Body: Sendable {
        case none
        /// A recording: the body itself, or the part of a form named `file`.
        case recording
        /// A form with a recording in a part named `file`; the parameters are fields of the form.
        case form
    }

    /// A successful response.
    struct Success: Sendable {
        var status = HTTPResponseStatus.ok
        /// What it is, in a sentence without its full stop.
        var help: String
        /// The schema of each content type.
        var contents: [(type: String, schema: JSONValue)] = []
    }

    var method: HTTPMethod
    /// The path; `{id}` at its end matches any text.
    var path: String
    /// The name of the operation, from which clients are generated.
    var name: String
    /// What it does, in a sentence without its full stop.
    var help: String
    var parameters = ParameterList.none
    var body = Body.none
    var success: [Success]
    /// The statuses of errors that only this route has.
    var errors: [HTTPResponseStatus] = []
    /// Whether it is answered without a key.
    var isOpen = false
    var answer: @Sendable (Call) async throws -> Answer

    /// Returns the part of a path that matches `{id}`: empty if the route has none, nil if the path does not match.
    func identifier(in path: String) -> String? {
        guard self.path.hasSuffix("{id}") else { return self.path == path ? "" : nil }
        let start = self.path.dropLast(4)
        return path.hasPrefix(start) && path.count > start.count ? String(path.dropFirst(start.count)) : nil
    }

    /// The statuses of errors that the route may answer with.
    var allErrors: [HTTPResponseStatus] {
        var all: [HTTPResponseStatus] = [.badRequest, .forbidden, .requestHeaderFieldsTooLarge, .internalServerError]
        if !isOpen { all.append(.unauthorized) }
        if path.hasSuffix("{id}") { all.append(.notFound) }
        if case .none = body {
        } else {
            all += [
                .notFound, .requestTimeout, .lengthRequired, .payloadTooLarge, .unsupportedMediaType,
                .unprocessableEntity, .tooManyRequests, .serviceUnavailable, .insufficientStorage,
            ]
        }
        var seen: Set<UInt> = []
        return (all + errors).filter { seen.insert($0.code).inserted }.sorted { $0.code < $1.code }
    }
}

/// A request to a route.
struct Call: Sendable {
    let core: ServerCore
    let request: Request
    /// The path, percent-decoded.
    let path: String
    /// The part of the path that matches a route's `{id}`.
    let identifier: String
    /// The parameters that the route accepts.
    let names: ParameterList
    /// The query's names and values.
    let query: [(name: String, value: String)]

    /// Whether the body is a form.
    var hasForm: Bool { Multipart.parameters(request["Content-Type"] ?? "").value == "multipart/form-data" }

    /// Whether the request shows a key, or none is needed.
    var showsKey: Bool {
        guard let keys = core.options.keys else { return true }
        return (try? keys.check(request.headers)) != nil
    }

    /// Returns the parameters of the query and the form.
    ///
    /// - Parameter fields: The form's fields.
    /// - Returns: The query's parameters and the form's fields.
    /// - Throws: `RequestError` for a name that the route does not accept, and for an invalid value.
    func parameters(adding fields: [(name: String, value: String)] = []) throws -> Parameters {
        try Parameters(query + fields, known: names, for: path)
    }
}
