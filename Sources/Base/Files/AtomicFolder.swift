import CW2VFiles
import Foundation
import SystemPackage

/// Writes a folder beside its place and puts it there only when all of it is on the disk.
///
/// What ``AtomicFile`` is for files. Where a folder is replaced, both change places in one step, so that there is always a
/// whole one of that name; a file system that cannot do so takes two steps.
public enum AtomicFolder {
    /// Writes a folder by a closure.
    ///
    /// What killed processes have left of the same folder is removed first.
    ///
    /// - Parameters:
    ///   - url: The folder's final name; a folder that is there is replaced. The folder that holds it must exist.
    ///   - fill: Writes into the folder that it gets, and syncs what it writes, as ``AtomicFile`` does; if it throws, the
    ///     old folder stays and the new one goes.
    /// - Returns: What `fill` returns.
    /// - Throws: `FileWriteError`, and what the closure throws.
    public static func write<Result>(to url: URL, _ fill: (URL) throws -> Result) throws -> Result {
        let name = url.lastPathComponent
        Leftovers.remove(.folders, in: url.deletingLastPathComponent()) {
            AtomicFile.writtenName(ofTemporary: $0)?.hasSameCodePoints(as: name) ?? false
        }
        let new = URL(fileURLWithPath: AtomicFile.temporaryName(for: url.path), isDirectory: true)
        let lock: FileDescriptor
        do throws(Errno) {
            lock = try Leftovers.createFolder(new.path)
        } catch {
            throw FileWriteError(error, path: url.path, step: "create")
        }
        defer { try? lock.close() }
        do {
            let result = try fill(new)
            let replaced = try put(new, in: url, aside: new.appendingPathExtension("old"))
            if let replaced { try? FileManager.default.removeItem(at: replaced) }
            return result
        } catch {
            try? FileManager.default.removeItem(at: new)
            throw error
        }
    }

    /// Gives a whole folder its place.
    ///
    /// - Parameters:
    ///   - new: The folder; the files in it are on the disk.
    ///   - place: Its final name.
    ///   - old: The name that a folder which has the place gets where the two cannot change places in one step. If the
    ///     process is killed then, only this name is left of it.
    ///   - exchange: Exchanges two folders in one step, and says whether it could.
    /// - Returns: Where the folder is that had the place before; nil if none had.
    /// - Throws: `FileWriteError`.
    public static func put(
        _ new: URL, in place: URL, aside old: URL, exchange: (URL, URL) throws -> Bool = AtomicFolder.exchange
    ) throws -> URL? {
        try synchronize(new.path)
        guard FileManager.default.fileExists(atPath: place.path) else {
            try move(new, to: place)
            return nil
        }
        if try exchange(new, place) {
            try synchronizeFolder(of: place.path)
            return new
        }
        try move(place, to: old)
        do {
            try move(new, to: place)
        } catch {
            try? move(old, to: place)
            throw error
        }
        return old
    }

    /// Renames a file or folder, and puts that on the disk.
    ///
    /// - Parameters:
    ///   - url: Its name.
    ///   - place: Its new name; an empty folder or a file of that name is replaced.
    /// - Throws: `FileWriteError`.
    public static func move(_ url: URL, to place: URL) throws(FileWriteError) {
        guard rename(url.path, place.path) == 0 else {
            throw FileWriteError(Errno(rawValue: errno), path: place.path, step: "rename")
        }
        try synchronizeFolder(of: place.path)
    }

    /// Exchanges two folders in one step.
    ///
    /// - Returns: Whether that was done; false where the file system cannot.
    /// - Throws: `FileWriteError`.
    @Sendable public static func exchange(_ first: URL, _ second: URL) throws -> Bool {
        if cf_exchange(first.path, second.path) == 0 { return true }
        switch errno {
        case EINVAL, ENOSYS, ENOTSUP: return false
        case let code: throw FileWriteError(Errno(rawValue: code), path: second.path, step: "rename")
        }
    }

    /// Puts the names in a folder on the disk: without this a power failure could still undo a renaming.
    ///
    /// - Parameter path: The folder.
    /// - Throws: `FileWriteError`.
    public static func synchronize(_ path: String) throws(FileWriteError) {
        do throws(Errno) {
            let folder = FileDescriptor(rawValue: open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
            guard folder.rawValue >= 0 else { throw Errno(rawValue: errno) }
            defer { try? folder.close() }
            try folder.synchronize()
        } catch {
            throw FileWriteError(error, path: path, step: "sync")
        }
    }

    /// Puts the names in the folder of a file on the disk.
    ///
    /// - Parameter path: The file.
    /// - Throws: `FileWriteError`.
    static func synchronizeFolder(of path: String) throws(FileWriteError) {
        try synchronize(PathParts(path).folder)
    }
}
