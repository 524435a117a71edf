/// What keeps processes from working together, one sentence each.
public enum ClusterError: Error, CustomStringConvertible, Sendable {
    /// The environment's variables do not describe a process among others.
    case environment(String)
    /// The processes could not meet.
    case rendezvous(String)
    /// The processes do not do the same thing.
    case mismatch(String)
    /// A process failed, is gone, or does not answer; all end with the first cause.
    case failed(String)

    /// The sentence.
    public var description: String {
        switch self {
        case .environment(let sentence), .rendezvous(let sentence), .mismatch(let sentence), .failed(let sentence):
            sentence
        }
    }

    /// The program's exit code: 64 for wrong usage, else 1.
    public var exitCode: Int32 {
        switch self {
        case .environment, .mismatch: 64
        case .rendezvous, .failed: 1
        }
    }
}
