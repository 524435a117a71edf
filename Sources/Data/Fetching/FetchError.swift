import Foundation
import SystemPackage
import W2VBase

/// Errors of fetching or unpacking.
public enum FetchError: ExplainedError, Equatable {
    /// A system library cannot be loaded; `package` is its Debian package.
    case missingLibrary(name: String, package: String, reason: String)
    /// The address is of a kind that cannot be fetched.
    case badAddress(String)
    /// No address delivered the file; `attempts` are the reasons, in the order of the attempts, and `isRefused` says
    /// whether every server answered that it does not give the file.
    case unreachable(file: String, attempts: [String], isRefused: Bool = false)
    /// The hub answered that it does not have a model; `nearest` is a well-known one of a similar name.
    case unknownModel(name: String, endpoint: String, reason: String, nearest: String?)
    /// A model is not in the cache, and the hub does not answer.
    case hubUnreachable(name: String, endpoint: String, reason: String)
    /// The received file differs from the publisher's; it is kept at `kept`.
    case wrongChecksum(file: String, address: String, kind: String, expected: String, found: String, kept: String)
    /// The received file is of another kind; it is kept at `kept`.
    case otherContent(file: String, expected: String, kept: String)
    /// There is not enough space on the disk, in bytes.
    case noSpace(folder: String, needed: Int, free: Int)
    /// The file cannot be written or read; `reason` is the operating system's.
    case unwritable(file: String, reason: String)
    /// Another process is fetching the same file.
    case busy(file: String)
    /// An archive is damaged, truncated or of another format.
    case damagedArchive(file: String, reason: String)
    /// An archive holds a forbidden entry; its contents were discarded.
    case unsafeArchive(file: String, entry: String, reason: String)
    /// A server's response cannot be understood.
    case badAnswer(address: String, reason: String)
    /// A signal asked to stop; `file` was in progress.
    case stopped(signal: Int32, file: String)

    /// Returns the error of a file that cannot be written: a full disk, or the system's reason.
    static func notWritten(_ file: URL, _ code: Errno) -> FetchError {
        guard code == .noSpace || code == .diskQuotaExceeded else {
            return .unwritable(file: file.path, reason: SystemReason.of(code: code.rawValue))
        }
        let folder = file.deletingLastPathComponent()
        return .noSpace(folder: folder.path, needed: 1 << 20, free: DiskSpace.free(folder) ?? 0)
    }

    /// Returns the same for an error of the floor's files.
    static func notWritten(_ error: FileWriteError) -> FetchError {
        guard case .noSpace = error else { return .unwritable(file: error.path, reason: error.reason) }
        return notWritten(URL(fileURLWithPath: error.path), .noSpace)
    }

    /// Input for bad data, interrupted after a signal, otherwise failure.
    public var kind: ErrorKind {
        switch self {
        case .wrongChecksum, .otherContent, .damagedArchive, .unsafeArchive, .unknownModel: .input
        case .stopped(let signal, _): .interrupted(signal: signal)
        default: .failure
        }
    }

    /// The problem with the file or address, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .missingLibrary(let name, let package, let reason):
            Explanation(
                "\(name) cannot be loaded (\(reason))", "install it; on Debian, apt-get install \(package)")
        case .badAddress(let address):
            Explanation("\(address): this address cannot be fetched", "begin it with https:// or http://")
        case .unknownModel(let name, let endpoint, let reason, let nearest):
            Explanation(
                "\(name) is neither a file or folder here nor a model at \(endpoint): \(reason)",
                nearest.map { name -> Advice in "did you mean \(name)?" }
                    ?? "check the name; a model that is not public needs an access token in HF_TOKEN")
        case .hubUnreachable(let name, let endpoint, let reason):
            Explanation(
                "\(name) is not on this machine yet, and \(endpoint) cannot be reached: \(reason)",
                "connect to the network once, or \(.fetchElsewhere(name))")
        case .unreachable(let file, let attempts, _):
            Explanation(
                "\(file) could not be fetched: \(attempts.joined(separator: "; "))",
                "\(.fetchAgain), or name another mirror")
        case .wrongChecksum(let file, let address, let kind, let expected, let found, let kept):
            Explanation(
                "\(file): \(address) sent a file with the \(kind) \(found), but its publisher gives \(expected); it was set "
                    + "aside as \(kept)", "fetch it again, or name another mirror")
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
    /// Advice to continue a transfer that stopped.
    public static let fetchAgain = Phrase("fetch it again to continue where it stopped", name: "fetchAgain")

    /// Returns the advice to fetch a model on another machine.
    public static func fetchElsewhere(_ name: String) -> Phrase {
        Phrase("copy the folder of a machine that has fetched it", values: [name], name: "fetchElsewhere")
    }
}
