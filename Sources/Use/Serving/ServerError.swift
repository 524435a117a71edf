import Foundation
import W2VBase

/// Why a server cannot listen.
public enum ServerError: ExplainedError, Equatable {
    /// The host is no address of this machine; `reason` is the resolver's or the operating system's.
    case badHost(String, reason: String)
    /// Another program listens there.
    case addressInUse(host: String, port: UInt16)
    /// The operating system does not let us listen there; `reason` is its own.
    case cannotListen(host: String, port: UInt16, reason: String)
    /// The folder for uploads cannot be made in the temporary folder; `reason` is the operating system's.
    case noFolder(String, reason: String)

    /// Usage for a host that is not one of this machine's, else failure.
    public var kind: ErrorKind { if case .badHost = self { .usage } else { .failure } }

    /// Why the server cannot listen, and what to do.
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
        }
    }
}

extension Phrase {
    /// The address that a server listens at.
    public static let host = Phrase("the host", name: "host")
    /// Where else a server may listen.
    public static let otherPort = Phrase("another port", name: "otherPort")
    /// The most bytes of an upload.
    public static let uploadLimit = Phrase("the server's limit of uploads", name: "uploadLimit")
    /// The most seconds of a recording.
    public static let durationLimit = Phrase("the server's limit of durations", name: "durationLimit")
    /// The most requests that wait.
    public static let waitingLimit = Phrase("the server's limit of waiting requests", name: "waitingLimit")
    /// How a server is given another name.
    public static let allowHost = Phrase("have the server allow the name", name: "allowHost")
    /// How pages of other sites may use a server.
    public static let allowOrigin = Phrase("have the server allow them", name: "allowOrigin")
}
