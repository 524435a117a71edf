import Foundation
import SystemPackage

/// Errors of writing a file or a folder.
public enum FileWriteError: ExplainedError, Equatable {
    /// There is no space: on the disk, in the user's quota, or under the process's limit.
    case noSpace(path: String, reason: String, written: Int)
    /// The file has its name, but the folder could not be synced: a power failure could still undo the renaming.
    case notSynced(path: String, reason: String)
    /// Any other system error.
    case failed(path: String, step: String, reason: String)

    /// Makes the error of a failed step.
    ///
    /// - Parameters:
    ///   - code: The system's error.
    ///   - path: The file's final name.
    ///   - step: The step that failed, as a verb.
    ///   - written: Number of bytes written before.
    public init(_ code: Errno, path: String, step: String, written: Int = 0) {
        let reason = SystemReason.of(code: code.rawValue)
        self =
            switch code {
            case .noSpace, .diskQuotaExceeded, .fileTooLarge: .noSpace(path: path, reason: reason, written: written)
            case .noSuchFileOrDirectory: .failed(path: path, step: step, reason: "its folder does not exist")
            default: .failed(path: path, step: step, reason: reason)
            }
    }

    /// Failure: the content may be valid.
    public var kind: ErrorKind { .failure }

    /// The file, the problem and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .noSpace(let path, let reason, let written):
            Explanation(
                "cannot write \(path): \(reason) after \(written) bytes; the file's former content is untouched",
                "make room and save again")
        case .notSynced(let path, let reason):
            Explanation(
                "\(path) is written, but its folder cannot be synced: \(reason)", "check the disk before you rely on it"
            )
        case .failed(let path, let step, let reason):
            Explanation("cannot \(step) \(path): \(reason); the file's former content is untouched")
        }
    }

    /// The problem without the folder's name: "model.safetensors: the disk is full after 12 bytes".
    public var summary: String {
        let name = URL(fileURLWithPath: path).lastPathComponent
        return switch self {
        case .noSpace(_, let reason, let written): "\(name): \(reason) after \(written) bytes"
        case .notSynced(_, let reason): "\(name): its folder cannot be synced: \(reason)"
        case .failed(_, let step, let reason): "cannot \(step) \(name): \(reason)"
        }
    }

    /// Returns the error with a folder's final name in place of the one that it is written under.
    func moved(from temporary: String, to place: String) -> FileWriteError {
        guard path.utf8.starts(with: temporary.utf8) else { return self }
        let path = place + String(decoding: path.utf8.dropFirst(temporary.utf8.count), as: UTF8.self)
        return switch self {
        case .noSpace(_, let reason, let written): .noSpace(path: path, reason: reason, written: written)
        case .notSynced(_, let reason): .notSynced(path: path, reason: reason)
        case .failed(_, let step, let reason): .failed(path: path, step: step, reason: reason)
        }
    }

    /// The file's final name.
    public var path: String {
        switch self {
        case .noSpace(let path, _, _), .notSynced(let path, _), .failed(let path, _, _): path
        }
    }

    /// The system's reason, such as "the disk is full", for errors that name the file themselves.
    public var reason: String {
        switch self {
        case .noSpace(_, let reason, _), .notSynced(_, let reason), .failed(_, _, let reason): reason
        }
    }
}
