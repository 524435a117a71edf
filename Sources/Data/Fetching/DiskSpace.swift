import Foundation

/// Checks of free disk space.
public enum DiskSpace {
    /// Returns the bytes that an unprivileged process can still write in a folder, which need not exist yet.
    ///
    /// The result is nil if the system does not report it.
    public static func free(_ folder: URL) -> Int? {
        var path = folder.standardizedFileURL
        while access(path.path, F_OK) != 0, path.path != "/" { path.deleteLastPathComponent() }
        var status = statvfs()
        guard statvfs(path.path, &status) == 0 else { return nil }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    /// Throws if the folder's disk has less than this number of free bytes.
    ///
    /// - Throws: `FetchError.noSpace`.
    public static func require(_ bytes: Int, in folder: URL) throws {
        if let free = free(folder), free < bytes {
            throw FetchError.noSpace(folder: folder.path, needed: bytes, free: free)
        }
    }
}
