import Foundation
import SystemPackage

/// Finds temporary files and folders that killed processes have left, as opposed to those that are being written.
///
/// The process that writes one holds a lock on it, which the system releases when the process ends. On a file system
/// without locks, nothing counts as left over.
public enum Leftovers {
    /// Creates a temporary file that `remove` keeps as long as its descriptor is open.
    ///
    /// - Parameter path: A name that does not exist yet.
    /// - Returns: The descriptor, for reading and writing.
    /// - Throws: The system's error.
    public static func create(_ path: String) throws(Errno) -> FileDescriptor {
        try locked(path) { open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
    }

    /// Creates a temporary folder that `remove` keeps as long as its descriptor is open.
    ///
    /// - Parameter path: A name that does not exist yet.
    /// - Returns: The descriptor.
    /// - Throws: The system's error.
    public static func createFolder(_ path: String) throws(Errno) -> FileDescriptor {
        try locked(path) { mkdir(path, 0o777) == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1 }
    }

    private static func locked(_ path: String, _ make: () -> Int32) throws(Errno) -> FileDescriptor {
        while true {
            let made = FileDescriptor(rawValue: make())
            guard made.rawValue >= 0 else { throw Errno(rawValue: errno) }
            flock(made.rawValue, LOCK_EX)
            // Between the two calls another process may have removed it as left over.
            if (try? made.status().st_nlink) != 0 { return made }
            try? made.close()
        }
    }

    /// The kinds of leftovers.
    public enum Kind: Sendable {
        /// Files.
        case files
        /// Folders, which are removed with their contents.
        case folders
    }

    /// Removes temporary files or folders that are no longer being written.
    ///
    /// - Parameters:
    ///   - kind: The kind of leftovers.
    ///   - folder: The folder to search, without its subfolders.
    ///   - isTemporary: Returns whether a name is that of a temporary file or folder.
    public static func remove(_ kind: Kind = .files, in folder: URL, where isTemporary: (String) -> Bool) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] where isTemporary(name) {
            let url = folder.appendingPathComponent(name)
            let found = FileDescriptor(rawValue: open(url.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK))
            guard found.rawValue >= 0 else { continue }
            defer { try? found.close() }
            guard let status = try? found.status(), kind == .files ? status.isFile : status.isFolder,
                flock(found.rawValue, LOCK_EX | LOCK_NB) == 0
            else { continue }
            if kind == .files { unlink(url.path) } else { try? FileManager.default.removeItem(at: url) }
        }
    }
}
