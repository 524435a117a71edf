import Foundation

/// The address to listen on and the limits of requests.
public struct ServerOptions: Sendable {
    /// The address or host name of the interface to listen on.
    public var host = "127.0.0.1"
    /// The port; 0 lets the system choose one.
    public var port: UInt16 = 8080
    /// The longest body of a request, in bytes.
    public var maximumUploadBytes = 256 << 20
    /// The longest recording, in seconds.
    public var maximumAudioSeconds = 7200.0
    /// The most memory of all models, in bytes; nil for no limit.
    public var maximumModelBytes: Int?
    /// The most requests that wait for the model, and the most open live inputs.
    public var maximumWaiting = 64
    /// The number of seconds after which a stalled connection is closed.
    public var stallSeconds = 60.0
    /// The time that requests in flight have when the server's group of services shuts down.
    public var gracePeriod = Duration.seconds(28)
    /// The most connections; more have to wait until others end. Fewer are accepted where descriptors are short.
    public var maximumConnections = 1024
    /// The origins of foreign pages that may use the server, such as `https://app.example.org`; `*` is any page.
    public var allowedOrigins: [String] = []
    /// The names in addition to `host` and `localhost` by which requests may call the server.
    ///
    /// They are checked if the server listens on a loopback address, or if any are given; IP addresses are always
    /// allowed.
    public var allowedHosts: [String] = []
    /// The files of the certificate for encrypted connections; nil for plain ones.
    public var certificate: ServerCertificate?
    /// The keys of which a request has to show one; nil if none is required.
    ///
    /// The page, `/health` and `/ready` need no key.
    public var keys: APIKeys?
    /// The parent of the server's own folder for uploads, which are removed once they are answered; it must exist.
    public var temporaryFolder = FileManager.default.temporaryDirectory

    /// Makes the default options.
    public init() {}
}

/// The description of a server's model.
public struct ModelFacts: Sendable, Encodable {
    /// The path of the model's folder.
    public var model: String
    /// The device of the model.
    public var device: String
    /// The number formats of the model.
    public var precision: String
    /// The decoder of its log-probabilities.
    public var decoder: String
    /// The version of the program.
    public var version: String

    /// The model's name for clients: the folder's name, or that of the run for its `best`, `last` or `update-N`.
    ///
    /// The path is not for clients, since it reveals the layout of the server's disk.
    public var name: String {
        let parts = model.split(separator: "/").filter { $0 != "." && $0 != ".." }.map(String.init)
        let isState = parts.last.map { ["best", "last"].contains($0) || $0.hasPrefix("update-") } ?? false
        return (isState ? parts.dropLast().last : nil) ?? parts.last ?? model
    }

    /// Makes a description.
    ///
    /// - Parameters:
    ///   - model: The path of the model's folder.
    ///   - device: The device of the model.
    ///   - precision: The number formats of the model.
    ///   - decoder: The decoder of its log-probabilities.
    ///   - version: The version of the program.
    public init(model: String, device: String, precision: String, decoder: String, version: String) {
        self.model = model
        self.device = device
        self.precision = precision
        self.decoder = decoder
        self.version = version
    }
}

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
