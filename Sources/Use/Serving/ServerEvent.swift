import Foundation

/// An answered request.
public struct ServedRequest: Sendable, Encodable, Equatable {
    /// The method.
    public var method: String
    /// The path without the query, percent-decoded: it may contain any characters.
    public var path: String
    /// The status of the response; 499 if the client had gone, 101 for live input that has ended.
    public var status: Int
    /// The seconds of audio in the request.
    public var audioSeconds: Double
    /// The duration of the request in seconds, including the upload.
    public var seconds: Double
    /// The client's address without the port; empty if it is not known.
    public var client: String
    /// The request's identifier: the client's own `X-Request-ID`, or one that the server chose.
    public var identifier: String
    /// The time when the request was answered, such as `2026-07-01T09:30:00.123Z`.
    public var time = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))

    init(
        method: String, path: String, status: Int, audioSeconds: Double, seconds: Double, client: String,
        identifier: String
    ) {
        self.method = method
        self.path = path
        self.status = status
        self.audioSeconds = audioSeconds
        self.seconds = seconds
        self.client = client
        self.identifier = identifier
    }

    init(_ request: Request, path: String, status: Int, audioSeconds: Double, since began: ContinuousClock.Instant) {
        self.init(
            method: request.method.rawValue, path: path, status: status, audioSeconds: audioSeconds,
            seconds: (ContinuousClock.now - began) / .seconds(1), client: request.client,
            identifier: request.identifier)
    }
}

/// An event on a server.
public enum ServerEvent: Sendable {
    /// A request was answered.
    case served(ServedRequest)
    /// A failure of the server itself: of listening, which is retried, or of a request through no fault of its own. The
    /// sentence gives the reason.
    case trouble(String)
    /// A model was loaded or dropped.
    case model(ModelEvent)
}
