import Foundation
import SystemPackage

/// Keeps a second process out of a folder that only one may fill.
///
/// The system drops the lock with the process, however it ends, so that no lock file is ever left over.
public final class FolderLock: Sendable {
    /// Why a folder cannot be locked.
    public enum Failure: ExplainedError, Equatable {
        /// Another process holds the lock.
        case inUse
        /// The folder cannot be opened; the operating system's reason.
        case unopened(reason: String)

        /// Failure: nothing is wrong with what was given.
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
    /// - Parameter folder: The folder, which is there.
    /// - Throws: `Failure`.
    public init(_ folder: URL) throws(Failure) {
        self.folder = FileDescriptor(rawValue: open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard self.folder.rawValue >= 0 else { throw .unopened(reason: String(cString: strerror(errno))) }
        // Some network file systems know no locks: then there is none, and nothing else is worse.
        // The descriptor is closed with this object, also where its initializer throws: twice would close another's.
        if flock(self.folder.rawValue, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK { throw .inUse }
    }

    deinit {
        // A process being started at this moment still has the descriptor, and would keep the lock until it runs.
        flock(folder.rawValue, LOCK_UN)
        try? folder.close()
    }
}
