import FlyingFox
import FlyingSocks
import Foundation
import W2VAudio
import W2VBase
import W2VInference

/// The reason for refusing a request, with a status.
struct RequestError: ExplainedError {
    var status: HTTPStatusCode
    /// The kind of error, for programs.
    var type: String
    /// A description of the problem.
    var problem: String
    /// The remedy for the client.
    var advice: Advice?
    var headers: [HTTPHeader: String] = [:]
    /// The existing routes, if the request named one that does not exist.
    var routes: [String]?
    /// The cause of a failure inside the server: for its operator, not for the client.
    var hidden: String?

    var kind: ErrorKind { status.code < 500 ? .input : .failure }
    var explanation: Explanation { Explanation(problem, advice) }

    private struct Body: Encodable {
        struct Content: Encodable {
            var message: String
            var type: String
            var routes: [String]?

            private enum Key: CodingKey { case message, type, routes, param, code }

            /// OpenAI's API requires `param` and `code` too, null where they do not apply.
            func encode(to encoder: any Encoder) throws {
                var values = encoder.container(keyedBy: Key.self)
                try values.encode(message, forKey: .message)
                try values.encode(type, forKey: .type)
                try values.encodeIfPresent(routes, forKey: .routes)
                try values.encodeNil(forKey: .param)
                try values.encode(type, forKey: .code)
            }
        }
        var error: Content
    }

    /// The response to the client.
    var reply: Reply {
        let body = try? jsonLine(Body(error: Body.Content(message: description, type: type, routes: routes)))
        return Reply(
            status: status, contentType: Reply.json, body: Data(((body ?? "{}") + "\n").utf8), headers: headers)
    }

    static func bad(_ problem: String, _ advice: Advice? = nil, type: String = "bad_request") -> RequestError {
        RequestError(status: .badRequest, type: type, problem, advice)
    }

    static func uploadTooLarge(limit: Int) -> RequestError {
        RequestError(
            status: .payloadTooLarge, type: "upload_too_large",
            "The upload is larger than \(limit >> 20) MB (\(Phrase.uploadLimit))", "send less, or compress it")
    }

    static func audioTooLong(limit: Double) -> RequestError {
        RequestError(
            status: .payloadTooLarge, type: "audio_too_long",
            "The recording is longer than \(Int(limit)) s (\(Phrase.durationLimit))", "cut it")
    }

    static func tooLoud(_ name: String, peak: Float) -> RequestError {
        RequestError(
            status: .unprocessableContent, type: "unusable_audio",
            "\(name): the recording's samples reach \(peak) times full scale, and what the model makes of them is not a number",
            "scale them to at most 1")
    }

    static let noLength = RequestError(
        status: .lengthRequired, type: "length_required",
        "The request has no body", "send the audio with a Content-Length, or chunked")

    static var tooMany: RequestError {
        RequestError(
            status: .tooManyRequests, type: "too_many_requests",
            "Too many requests wait already (\(Phrase.waitingLimit))", "try again in a few seconds",
            headers: [HTTPHeader("Retry-After"): "5"])
    }

    static let stopping = RequestError(
        status: .serviceUnavailable, type: "stopping", "The server is stopping", "ask another one",
        headers: [HTTPHeader("Retry-After"): "30"])

    static let loading = RequestError(
        status: .serviceUnavailable, type: "loading", "The model is being loaded", "try again in a few seconds",
        headers: [HTTPHeader("Retry-After"): "5"])

    /// An error for a client that has gone; nobody reads it.
    static let gone = RequestError(
        status: HTTPStatusCode(499, phrase: "Client Closed Request"), type: "client_closed_request",
        "The client closed the connection before the answer")

    /// Translates an error for the client.
    ///
    /// - Parameters:
    ///   - error: The error.
    ///   - file: The upload's path in the error.
    ///   - name: The client's name for the upload, which replaces the path.
    init(_ error: any Error, file: String? = nil, name: String = "") {
        func said(_ status: HTTPStatusCode, _ type: String) -> RequestError {
            func named(_ text: String) -> String {
                file.map { text.replacingOccurrences(of: $0, with: name) } ?? text
            }
            guard let error = error as? any ExplainedError else {
                return RequestError(status: status, type: type, named("\(error)"))
            }
            return RequestError(
                status: status, type: type, named(error.errorDescription ?? ""),
                error.advice.map { "\(named($0.description))" })
        }
        switch error {
        case let error as RequestError: self = error
        case AudioError.tooLong(_, let limit): self = .audioTooLong(limit: limit)
        case AudioError.tooLarge: self = said(.payloadTooLarge, "audio_too_large")
        case AudioError.cancelled: self = .gone
        case let error as AudioError where error.kind == .failure:
            // The sentence names folders of this machine.
            self.init(
                status: .internalServerError, type: "decoding_failed",
                "The server could not decode the recording: its disk or memory may be full", "try again later")
            hidden = "\(error)"
        case is AudioError: self = said(.unprocessableContent, "unreadable_audio")
        case InferenceError.tooShort:
            self = said(.unprocessableContent, "audio_too_short")
        case SocketError.timeout:
            self.init(
                status: .requestTimeout, type: "timeout", "Nothing came for too long", "send the upload again")
        case is SocketError, is CancellationError: self = .gone
        default:
            self = said(.internalServerError, "internal")
            hidden = "\(error)"
        }
    }

    init(
        status: HTTPStatusCode, type: String, _ problem: String, _ advice: Advice? = nil,
        headers: [HTTPHeader: String] = [:], routes: [String]? = nil
    ) {
        self.status = status
        self.type = type
        self.problem = problem
        self.advice = advice
        self.headers = headers
        self.routes = routes
    }
}

/// A response.
struct Reply: Sendable {
    static let json = "application/json"
    static let text = "text/plain; charset=utf-8"
    static let events = "text/event-stream; charset=utf-8"
    /// The header that lists parameters without effect.
    static let ignoredParameters = HTTPHeader("Ignored-Parameters")

    var status = HTTPStatusCode.ok
    var contentType: String
    var body: Data
    var headers: [HTTPHeader: String] = [:]
    /// The seconds of audio recognized for the response.
    var audioSeconds = 0.0
}
