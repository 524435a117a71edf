import Foundation

/// A file to fetch.
public struct Download: Equatable, Sendable {
    /// The file's name for people.
    public var name: String
    /// The addresses, in the order in which to try them.
    public var addresses: [String]
    /// The destination.
    public var destination: URL
    /// The published checksum; nil if there is none.
    public var checksum: Checksum?
    /// The published size in bytes; nil if there is none.
    public var size: Int?
    /// An additional line of the request's head, `Name: value`.
    public var header: String?

    /// Describes a file.
    ///
    /// - Parameters:
    ///   - name: The file's name for people; its name on disk by default.
    ///   - addresses: The addresses, in the order in which to try them.
    ///   - checksum: The published checksum.
    ///   - size: The published size in bytes.
    ///   - header: An additional line of the request's head.
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
    /// The file.
    public var url: URL
    /// Its size in bytes.
    public var bytes: Int
    /// The number of bytes received now.
    public var received: Int
    /// Whether it was compared with a published checksum.
    public var isVerified: Bool
    /// The published SHA-256 that it was compared with, if that is the kind of its checksum.
    public var sha256: String?
}

/// Timeouts and retries of fetching.
public struct FetchOptions: Equatable, Sendable {
    /// The maximum duration of connecting.
    public var connectTimeout: Duration = .seconds(30)
    /// The maximum duration without data, in whole seconds.
    public var stallTimeout: Duration = .seconds(60)
    /// The number of times that all addresses are tried without a byte from any.
    public var rounds = 6
    /// The pause after the first round, and after a broken connection; doubled every round.
    public var pause: Duration = .seconds(1)
    /// The longest pause between rounds.
    public var longestPause: Duration = .seconds(30)
    /// The user agent of requests.
    public var agent = "wav2vec2"
    /// A file of certificates to trust in place of the system's.
    public var certificateFile: String?
    /// A folder of certificates to trust.
    public var certificateFolder: String?

    /// Makes the usual options, with certificates from the environment like `curl`.
    ///
    /// Proxies need no option: libcurl uses `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` itself.
    ///
    /// - Parameter environment: Its `CURL_CA_BUNDLE`, `SSL_CERT_FILE` and `SSL_CERT_DIR` are used.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        certificateFile = environment["CURL_CA_BUNDLE"] ?? environment["SSL_CERT_FILE"]
        certificateFolder = environment["SSL_CERT_DIR"]
    }
}
