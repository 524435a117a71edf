import Foundation
import W2VBase

/// What can go wrong while something is fetched or unpacked, one sentence each.
public enum FetchError: Error, Equatable, Sendable, CustomStringConvertible {
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

    /// The sentence.
    public var description: String {
        switch self {
        case .missingLibrary(let name, let package, let reason):
            "\(name) cannot be loaded (\(reason)); install it, on Debian by apt-get install \(package)."
        case .badAddress(let address):
            "\(address): is no address that can be fetched; it must begin with https:// or http://."
        case .unreachable(let file, let attempts):
            "\(file) could not be fetched: \(attempts.joined(separator: "; ")). Run this again to go on "
                + "where it stopped, or name another mirror."
        case .wrongChecksum(let file, let address, let kind, let expected, let found, let kept):
            "\(file): what \(address) sent has the \(kind) \(found), where its publisher gives \(expected); it was set "
                + "aside as \(kept): run this again, or name another mirror."
        case .otherContent(let file, let expected, let kept):
            "\(file): what came is not \(expected); it was set aside as \(kept): look at it, and check the address and "
                + "the proxy."
        case .noSpace(let folder, let needed, let free):
            "\(folder): \(ReadableText.size(needed)) are needed and \(ReadableText.size(free)) are free; make room, or choose a "
                + "folder on another disk."
        case .unwritable(let file, let reason): "\(file): cannot be written (\(reason))."
        case .busy(let file): "\(file): another process is fetching this file; wait for it, or end it."
        case .damagedArchive(let file, let reason):
            "\(file): the archive cannot be unpacked (\(reason)); delete it and fetch it again."
        case .unsafeArchive(let file, let entry, let reason):
            "\(file): the archive's entry \"\(entry)\" is refused, because \(reason); nothing of it was unpacked."
        case .badAnswer(let address, let reason): "\(address): the server's answer cannot be used (\(reason))."
        case .stopped(let signal, let file):
            "stopped by \(signal == SIGINT ? "Ctrl-C" : "a signal") at \(file); run the same command again to go on."
        }
    }

    /// The exit code of a program that ends with this error: 65 for bad data, 130 or 143 after a signal, or 1.
    public var exitCode: Int32 {
        switch self {
        case .wrongChecksum, .otherContent, .damagedArchive, .unsafeArchive: 65
        case .stopped(let signal, _): 128 + signal
        default: 1
        }
    }
}
