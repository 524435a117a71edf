import Foundation
import SystemPackage

/// Keeps a second process out of a folder that only one may write.
///
/// The system releases the lock when the process ends, for any reason, so that lock files never remain.
public final class FolderLock: Sendable {
    /// Reasons why a folder cannot be locked.
    public enum Failure: ExplainedError, Equatable {
        /// Another process holds the lock.
        case inUse
        /// The folder cannot be opened, for the operating system's reason.
        case unopened(reason: String)

        /// Failure: the input is not at fault.
        public var kind: ErrorKind { .failure }

        /// The other process, or the system's reason.
        public var explanation: Explanation {
            switch self {
            case .inUse: Explanation("another process uses the folder", "wait until it has ended")
            case .unopened(let reason): Explanation("the folder cannot be opened (\(reason))")
            }
        }
    }

    private let folder: FileDescriptor

    /// Takes the lock.
    ///
    /// - Parameter folder: An existing folder.
    /// - Throws: `Failure`.
    public init(_ folder: URL) throws(Failure) {
        self.folder = FileDescriptor(rawValue: open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard self.folder.rawValue >= 0 else { throw .unopened(reason: SystemReason.of(code: errno)) }
        // Some network file systems do not support locks: then there is no lock, but everything else works. The
        // descriptor is closed with this object, also if its initializer throws: closing it twice would close another
        // one.
        if flock(self.folder.rawValue, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK { throw .inUse }
    }

    deinit {
        // A process that is just being started still has the descriptor, and would keep the lock until it runs.
        flock(folder.rawValue, LOCK_UN)
        try? folder.close()
    }
}
