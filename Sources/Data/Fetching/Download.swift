import Foundation

/// A file to fetch.
public struct Download: Equatable, Sendable {
    /// What people call it.
    public var name: String
    /// Where it is to be had, in the order in which to try.
    public var addresses: [String]
    /// Where it goes.
    public var destination: URL
    /// What its publisher says it must be; nil where nothing is published.
    public var checksum: Checksum?
    /// Its size in bytes; nil where nothing is published.
    public var size: Int?
    /// A line of the request's head beside the usual ones, `Name: value`.
    public var header: String?

    /// Describes a file.
    ///
    /// - Parameters:
    ///   - name: What people call it; its name on disk by default.
    ///   - addresses: Where it is to be had.
    ///   - destination: Where it goes.
    ///   - checksum: What it must be.
    ///   - size: Its size in bytes.
    ///   - header: A line of the request's head.
    public init(
        name: String? = nil, addresses: [String], destination: URL, checksum: Checksum? = nil, size: Int? = nil,
        header: String? = nil
    ) {
        self.name = name ?? destination.lastPathComponent
        self.addresses = addresses
        self.destination = destination
        self.checksum = checksum
        self.size = size
        self.header = header
    }
}

/// A file that was fetched, or was there already.
public struct FetchedFile: Equatable, Sendable {
    /// Where it is.
    public var url: URL
    /// Its size in bytes.
    public var bytes: Int
    /// How many of them came now.
    public var received: Int
    /// Whether a published checksum was compared with it.
    public var isVerified: Bool
}

/// How patiently files are fetched.
public struct FetchOptions: Equatable, Sendable {
    /// How long a connection may take to stand.
    public var connectTimeout: Duration = .seconds(30)
    /// How long nothing may come, in whole seconds.
    public var stallTimeout: Duration = .seconds(60)
    /// How often all addresses are tried without a byte from any.
    public var rounds = 6
    /// How long to wait after the first round, and before going on after a connection broke; doubled every round.
    public var pause: Duration = .seconds(1)
    /// The longest wait between rounds.
    public var longestPause: Duration = .seconds(30)
    /// What we call ourselves.
    public var agent = "wav2vec2"
    /// A file of certificates to trust in place of the system's.
    public var certificateFile: String?
    /// A folder of certificates to trust.
    public var certificateFolder: String?

    /// The usual options; certificates as `curl` takes them from the environment.
    ///
    /// Proxies need no option: libcurl heeds `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` itself.
    ///
    /// - Parameter environment: `CURL_CA_BUNDLE`, `SSL_CERT_FILE` and `SSL_CERT_DIR` count.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        certificateFile = environment["CURL_CA_BUNDLE"] ?? environment["SSL_CERT_FILE"]
        certificateFolder = environment["SSL_CERT_DIR"]
    }
}
