import Foundation

/// Keeps a second process out of a run's folder: two that save there would destroy each other's checkpoints.
///
/// The system drops the lock with the process, however it ends, so that no lock file is ever left over.
final class RunLock {
    private let handle: Int32

    /// Takes the lock; the folder is made if it is not there.
    ///
    /// - Parameter folder: The run's folder.
    /// - Throws: ``TrainingError/folderInUse(folder:)``, ``TrainingError/cannotWrite(file:reason:)``.
    init(_ folder: URL) throws {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw TrainingError.cannotWrite(file: folder.path, reason: systemReason(error))
        }
        handle = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else {
            throw TrainingError.cannotWrite(file: folder.path, reason: String(cString: strerror(errno)))
        }
        // Some network file systems know no locks: then there is none, and nothing else is worse.
        if flock(handle, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            close(handle)
            throw TrainingError.folderInUse(folder: folder.path)
        }
    }

    deinit {
        // A process being started at this moment still has the handle, and would keep the lock until it runs.
        flock(handle, LOCK_UN)
        close(handle)
    }
}
