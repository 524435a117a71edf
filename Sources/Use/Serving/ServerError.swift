import Foundation
import W2VBase

/// The reason why a server cannot listen.
public enum ServerError: ExplainedError, Equatable {
    /// The host is not an address of this machine; `reason` is from the resolver or the operating system.
    case badHost(String, reason: String)
    /// Another program already listens there.
    case addressInUse(host: String, port: UInt16)
    /// The operating system refuses to listen there; `reason` is its own.
    case cannotListen(host: String, port: UInt16, reason: String)
    /// The folder for uploads cannot be created in the temporary folder; `reason` is from the operating system.
    case noFolder(String, reason: String)
    /// A file of the certificate cannot be used.
    case badCertificate(String, reason: String)
    /// The file of API keys cannot be used.
    case badKeys(String, reason: String)

    /// A usage error for a host that is not one of this machine's, bad input for a file, otherwise a failure.
    public var kind: ErrorKind {
        switch self {
        case .badHost: .usage
        case .badCertificate, .badKeys: .input
        case .addressInUse, .cannotListen, .noFolder: .failure
        }
    }

    /// The reason why the server cannot listen, and the remedy.
    public var explanation: Explanation {
        switch self {
        case .badHost(let host, let reason):
            Explanation(
                "\(Phrase.host) \(host) is not an address of this machine (\(reason))",
                "use 127.0.0.1 for this machine alone, or 0.0.0.0 for all of its networks")
        case .addressInUse(let host, let port):
            Explanation(
                "\(host) port \(port): another program listens there",
                "stop it, or choose \(.otherPort) (0: any free one)")
        case .cannotListen(let host, let port, let reason):
            Explanation(
                "\(host) port \(port): cannot listen there (\(reason))",
                "choose \(.otherPort), above 1024 where you are not root")
        case .noFolder(let path, let reason):
            Explanation(
                "\(path): the folder for uploads cannot be made there (\(reason))",
                "set TMPDIR to a folder that exists and can be written to")
        case .badCertificate(let path, let reason):
            Explanation(
                "\(path): cannot be used for encryption (\(reason))",
                "give the certificate, followed by those of its issuers, and its private key, each as a file in PEM")
        case .badKeys(let path, let reason):
            Explanation(
                "\(path): cannot be used as a file of API keys (\(reason))",
                "write one key of at least \(APIKeys.shortest) printable characters on each line; "
                    + "openssl rand -hex 32 makes one")
        }
    }
}

extension Phrase {
    /// The address that a server listens on.
    public static let host = Phrase("the host", name: "host")
    /// Another port to listen on.
    public static let otherPort = Phrase("another port", name: "otherPort")
    /// The limit on the bytes of an upload.
    public static let uploadLimit = Phrase("the server's limit on uploads", name: "uploadLimit")
    /// The limit on the seconds of a recording.
    public static let durationLimit = Phrase("the server's limit on durations", name: "durationLimit")
    /// The limit on the number of waiting requests.
    public static let waitingLimit = Phrase("the server's limit on waiting requests", name: "waitingLimit")
    /// The way to allow another name for the server.
    public static let allowHost = Phrase("have the server allow the name", name: "allowHost")
    /// The way to allow pages of other sites to use the server.
    public static let allowOrigin = Phrase("have the server allow them", name: "allowOrigin")
}
