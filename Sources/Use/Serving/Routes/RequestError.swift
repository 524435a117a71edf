import Foundation
import NIOHTTP1
import W2VAudio
import W2VBase
import W2VInference

/// The reason for refusing a request, with a status.
struct RequestError: ExplainedError {
    var status: HTTPResponseStatus
    /// The kind of error, for programs.
    var type: String
    /// A description of the problem.
    var problem: String
    /// The remedy for the client.
    var advice: Advice?
    var headers: HTTPHeaders = HTTPHeaders()
    /// The existing routes, if the request named one that does not exist.
    var routes: [String]?
    /// The parameter that is to blame.
    var parameter: String?
    /// The cause of a failure inside the server: for its operator, not for the client.
    var hidden: String?

    var kind: ErrorKind { status.code < 500 ? .input : .failure }
    var explanation: Explanation { Explanation(problem, advice) }

    private struct Body: Encodable {
        struct Content: Encodable {
            var message: String
            var type: String
            var routes: [String]?
            var parameter: String?

            private enum Key: CodingKey { case message, type, routes, param, code }

            /// OpenAI's API requires `param` and `code` too, null where they do not apply.
            func encode(to encoder: any Encoder) throws {
                var values = encoder.container(keyedBy: Key.self)
                try values.encode(message, forKey: .message)
                try values.encode(type, forKey: .type)
                try values.encodeIfPresent(routes, forKey: .routes)
                try values.encode(parameter, forKey: .param)
                try values.encode(type, forKey: .code)
            }
        }
        var error: Content
    }

    /// The error as JSON on one line.
    var line: Data {
        let content = Body.Content(message: description, type: type, routes: routes, parameter: parameter)
        return Data(((try? jsonLine(Body(error: content))) ?? "{}").utf8)
    }

    /// The response to the client.
    var reply: Reply {
        Reply(status: status, contentType: Reply.json, body: line + Data("\n".utf8), headers: headers)
    }

    static func bad(
        _ problem: String, _ advice: Advice? = nil, parameter: String? = nil, type: String = "bad_request"
    ) -> RequestError {
        RequestError(status: .badRequest, type: type, problem, advice, parameter: parameter)
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
            status: .unprocessableEntity, type: "unusable_audio",
            "\(name): the recording's samples reach \(peak) times full scale, and the model's output for them is NaN or infinite",
            "scale them to at most 1")
    }

    static let noLength = RequestError(
        status: .lengthRequired, type: "length_required",
        "The request has no body", "send the audio with a Content-Length, or chunked")

    static var tooMany: RequestError {
        RequestError(
            status: .tooManyRequests, type: "too_many_requests",
            "Too many requests are already waiting (\(Phrase.waitingLimit))", "try again in a few seconds",
            headers: ["Retry-After": "5"])
    }

    static let stopping = RequestError(
        status: .serviceUnavailable, type: "stopping", "The server is stopping", "try another server",
        headers: ["Retry-After": "30"])

    static let loading = RequestError(
        status: .serviceUnavailable, type: "loading", "The model is being loaded", "try again in a few seconds",
        headers: ["Retry-After": "5"])

    /// An error for a request that does not arrive in time.
    static let timeout = RequestError(
        status: .requestTimeout, type: "timeout", "The request arrived too slowly, or incompletely", "send it again")

    /// An error for a client that has gone; nobody reads it.
    static let gone = RequestError(
        status: .custom(code: 499, reasonPhrase: "Client Closed Request"), type: "client_closed_request",
        "The client closed the connection before the answer")

    /// Translates an error for the client.
    ///
    /// - Parameters:
    ///   - error: The error.
    ///   - file: The upload's path in the error.
    ///   - name: The client's name for the upload, which replaces the path.
    init(_ error: any Error, file: String? = nil, name: String = "") {
        func said(_ status: HTTPResponseStatus, _ type: String) -> RequestError {
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
        case is AudioError: self = said(.unprocessableEntity, "unreadable_audio")
        case InferenceError.tooShort:
            self = said(.unprocessableEntity, "audio_too_short")
        case is InferenceError:
            self = said(.internalServerError, "internal")
            hidden = "\(error)"
        case is CancellationError: self = .gone
        default:
            // The sentence may name folders of this machine.
            self.init(
                status: .internalServerError, type: "internal", "The server failed to answer the request",
                "the server's log has the reason")
            hidden = "\(error)"
        }
    }

    init(
        status: HTTPResponseStatus, type: String, _ problem: String, _ advice: Advice? = nil,
        headers: HTTPHeaders = HTTPHeaders(), routes: [String]? = nil, parameter: String? = nil
    ) {
        self.status = status
        self.type = type
        self.problem = problem
        self.advice = advice
        self.headers = headers
        self.routes = routes
        self.parameter = parameter
    }
}
