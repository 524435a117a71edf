import Foundation
import NIOCore
import NIOHTTP1

/// A response.
struct Reply: Sendable {
    /// The content of a response.
    enum Body: Sendable {
        /// All of it.
        case bytes(Data)
        /// Chunks that are sent as they come; an error ends the connection.
        case stream(AsyncThrowingStream<Data, any Error>)
    }

    static let json = "application/json"
    static let text = "text/plain; charset=utf-8"
    static let events = "text/event-stream; charset=utf-8"
    /// The header that lists parameters without effect.
    static let ignoredParameters = "Ignored-Parameters"

    var status = HTTPResponseStatus.ok
    var contentType: String
    var body: Body
    var headers = HTTPHeaders()
    /// The seconds of audio recognized for the response.
    var audioSeconds = 0.0
    /// The same for a stream, once it has ended.
    var streamedSeconds: (@Sendable () -> Double)?
    /// Called when a stream has ended, with whether all of it was sent.
    var onEnd: (@Sendable (Bool) -> Void)?

    init(
        status: HTTPResponseStatus = .ok, contentType: String, body: Body, headers: HTTPHeaders = HTTPHeaders(),
        audioSeconds: Double = 0
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.headers = headers
        self.audioSeconds = audioSeconds
    }

    init(
        status: HTTPResponseStatus = .ok, contentType: String, body: Data, headers: HTTPHeaders = HTTPHeaders(),
        audioSeconds: Double = 0
    ) {
        self.init(
            status: status, contentType: contentType, body: .bytes(body), headers: headers, audioSeconds: audioSeconds)
    }

    /// The headers as they are sent.
    var head: HTTPHeaders {
        var all: HTTPHeaders = ["Content-Type": contentType]
        if case .bytes(let body) = body { all.add(name: "Content-Length", value: String(body.count)) }
        for (name, value) in headers { all.replaceOrAdd(name: name, value: value) }
        return all
    }
}
