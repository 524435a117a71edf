import Foundation
import W2VBase

/// What can go wrong while something is fetched or unpacked.
public enum FetchError: ExplainedError, Equatable {
    /// A library of the system cannot be loaded; `package` is Debian's name for it.
    case missingLibrary(name: String, package: String, reason: String)
    /// An address is not of a kind that can be fetched.
    case badAddress(String)
    /// No address gave the file; one reason for each, in the order in which they were tried.
    case unreachable(file: String, attempts: [String])
    /// What came is not what the publisher describes; `kept` is where it lies now.
    case wrongChecksum(file: String, address: String, kind: String, expected: String, found: String, kept: String)
    /// What came is of another kind; `kept` is where it lies now.
    case otherContent(file: String, expected: String, kept: String)
    /// There is not enough room on the disk, in bytes.
    case noSpace(folder: String, needed: Int, free: Int)
    /// The file cannot be written or read; `reason` is the operating system's.
    case unwritable(file: String, reason: String)
    /// Another process is fetching the same file.
    case busy(file: String)
    /// An archive is damaged, cut off or of another format.
    case damagedArchive(file: String, reason: String)
    /// An archive holds something that it must not; nothing of it was kept.
    case unsafeArchive(file: String, entry: String, reason: String)
    /// A server's answer cannot be understood.
    case badAnswer(address: String, reason: String)
    /// A signal asked to stop; `file` is what was being worked on.
    case stopped(signal: Int32, file: String)

    /// Input for bad data, interrupted after a signal, else failure.
    public var kind: ErrorKind {
        switch self {
        case .wrongChecksum, .otherContent, .damagedArchive, .unsafeArchive: .input
        case .stopped(let signal, _): .interrupted(signal: signal)
        default: .failure
        }
    }

    /// What went wrong with which file or address, and what to do.
    public var explanation: Explanation {
        switch self {
        case .missingLibrary(let name, let package, let reason):
            Explanation(
                "\(name) cannot be loaded (\(reason))", "install it; on Debian, apt-get install \(package)")
        case .badAddress(let address):
            Explanation("\(address): this address cannot be fetched", "begin it with https:// or http://")
        case .unreachable(let file, let attempts):
            Explanation(
                "\(file) could not be fetched: \(attempts.joined(separator: "; "))",
                "\(.fetchAgain), or name another mirror")
        case .wrongChecksum(let file, let address, let kind, let expected, let found, let kept):
            Explanation(
                "\(file): \(address) sent a file with the \(kind) \(found), but its publisher gives \(expected); it was set "
                    + "aside as \(kept)", "\(.fetchAgain), or name another mirror")
        case .otherContent(let file, let expected, let kept):
            Explanation(
                "\(file): the file that came is not \(expected); it was set aside as \(kept)",
                "look at it, and check the address and the proxy")
        case .noSpace(let folder, let needed, let free):
            Explanation(
                "\(folder): \(ReadableText.size(needed)) are needed and \(ReadableText.size(free)) are free",
                "make room, or choose a folder on another disk")
        case .unwritable(let file, let reason):
            Explanation("\(file): cannot be written (\(reason))")
        case .busy(let file):
            Explanation("\(file): another process is fetching this file", "wait for it, or end it")
        case .damagedArchive(let file, let reason):
            Explanation("\(file): the archive cannot be unpacked (\(reason))", "delete it and fetch it again")
        case .unsafeArchive(let file, let entry, let reason):
            Explanation(
                "\(file): the archive's entry \"\(entry)\" is refused, because \(reason); nothing of it was unpacked")
        case .badAnswer(let address, let reason):
            Explanation("\(address): the server's answer cannot be used (\(reason))")
        case .stopped(let signal, let file):
            Explanation("stopped by \(signal == SIGINT ? "Ctrl-C" : "a signal") at \(file)", "\(.fetchAgain)")
        }
    }
}

extension Phrase {
    /// How to continue a transfer that stopped.
    public static let fetchAgain = Phrase("fetch it again to continue where it stopped", name: "fetchAgain")
}
