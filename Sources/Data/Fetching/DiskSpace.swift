import Foundation

/// Room on a disk.
public enum DiskSpace {
    /// How many bytes an unprivileged process may still write where a folder is, or would be made.
    ///
    /// - Parameter folder: The folder.
    /// - Returns: The bytes; nil where the system does not tell.
    public static func free(_ folder: URL) -> Int? {
        var path = folder.standardizedFileURL
        while access(path.path, F_OK) != 0, path.path != "/" { path.deleteLastPathComponent() }
        var status = statvfs()
        guard statvfs(path.path, &status) == 0 else { return nil }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    /// Makes sure of room.
    ///
    /// - Parameters:
    ///   - bytes: How many are needed.
    ///   - folder: Where.
    /// - Throws: `FetchError.noSpace`.
    public static func require(_ bytes: Int, in folder: URL) throws {
        if let free = free(folder), free < bytes {
            throw FetchError.noSpace(folder: folder.path, needed: bytes, free: free)
        }
    }
}
