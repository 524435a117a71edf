import Foundation
import W2VBase

/// Keeps a second process out of a run's folder: two that save there would destroy each other's checkpoints.
final class RunLock {
    private let lock: FolderLock

    /// Takes the lock, creating the folder if needed.
    ///
    /// - Parameter folder: The run's folder.
    /// - Throws: ``TrainingError/folderInUse(folder:)``, ``TrainingError/cannotWrite(file:reason:)``.
    init(_ folder: URL) throws {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw TrainingError.cannotWrite(file: folder.path, reason: systemReason(error))
        }
        do {
            lock = try FolderLock(folder)
        } catch .inUse {
            throw TrainingError.folderInUse(folder: folder.path)
        } catch .unopened(let reason) {
            throw TrainingError.cannotWrite(file: folder.path, reason: reason)
        }
    }

    /// Returns whether a process on this machine trains in a folder.
    ///
    /// - Parameter folder: The run's folder.
    static func isHeld(_ folder: URL) -> Bool {
        do {
            // Taken for a moment only, so a run that starts just then might be refused; it is not worth more.
            _ = try FolderLock(folder)
            return false
        } catch {
            return error == .inUse
        }
    }
}
