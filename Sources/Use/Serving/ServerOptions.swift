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
    /// The most connections; more have to wait until others end.
    ///
    /// Fewer are accepted where descriptors are short.
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
    /// The page, `/health`, `/ready` and `/openapi.json` need no key.
    public var keys: APIKeys?
    /// The parent of the server's own folder for uploads, which are removed once they are answered; it must exist.
    public var temporaryFolder = FileManager.default.temporaryDirectory

    /// Makes the default options.
    public init() {}
}
