import Foundation

/// Why a server cannot listen, one sentence each.
public enum ServerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The host is no address of this machine; `reason` is the resolver's or the operating system's.
    case badHost(String, reason: String)
    /// Another program listens there.
    case addressInUse(host: String, port: UInt16)
    /// The operating system does not let us listen there; `reason` is its own.
    case cannotListen(host: String, port: UInt16, reason: String)
    /// The folder for uploads cannot be made in the temporary folder; `reason` is the operating system's.
    case noFolder(String, reason: String)

    /// The sentence.
    public var description: String {
        switch self {
        case .badHost(let host, let reason):
            "--host \(host): is no address of this machine (\(reason)); use 127.0.0.1 for this machine alone, or 0.0.0.0 "
                + "for all of its networks."
        case .addressInUse(let host, let port):
            "\(host) port \(port): another program listens there; stop it, or choose another --port (0: any that is free)."
        case .cannotListen(let host, let port, let reason):
            "\(host) port \(port): cannot listen there (\(reason)); choose another --port, above 1024 where you are not "
                + "root."
        case .noFolder(let path, let reason):
            "\(path): the folder for uploads cannot be made there (\(reason)); set TMPDIR to a folder that exists and can be "
                + "written to."
        }
    }

    /// Whether what was asked for is wrong, rather than the state of the machine.
    public var isUsage: Bool { if case .badHost = self { true } else { false } }
}
