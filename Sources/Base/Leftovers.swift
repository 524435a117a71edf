import Foundation

/// Temporary files that a process which was killed has left, told apart from those that are being written.
///
/// Who writes such a file holds a lock on it, which the system drops with the process, however it ends. Where a file system
/// knows no locks, nothing is taken for left over.
public enum Leftovers {
    /// Makes a temporary file that `remove` leaves alone for as long as its descriptor is open.
    ///
    /// - Parameters:
    ///   - path: Its name, which nothing has yet.
    ///   - flags: How it is opened, besides that it is made.
    /// - Returns: The descriptor; -1 with the error in `errno`.
    public static func create(_ path: String, _ flags: Int32 = O_WRONLY) -> Int32 {
        while true {
            let descriptor = open(path, flags | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            guard descriptor >= 0 else { return descriptor }
            flock(descriptor, LOCK_EX)
            var status = stat()
            // Between the two calls it may have been taken for left over, and removed.
            if fstat(descriptor, &status) != 0 || status.st_nlink > 0 { return descriptor }
            close(descriptor)
        }
    }

    /// Removes what nobody writes any more.
    ///
    /// - Parameters:
    ///   - folder: Where to look; its subfolders are left alone.
    ///   - isTemporary: Whether a file's name is that of a temporary file.
    public static func remove(in folder: URL, where isTemporary: (String) -> Bool) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] where isTemporary(name) {
            let path = folder.appendingPathComponent(name).path
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0 else { continue }
            var status = stat()
            if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
                flock(descriptor, LOCK_EX | LOCK_NB) == 0
            {
                unlink(path)
            }
            close(descriptor)
        }
    }
}
