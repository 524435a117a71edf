import CW2VFiles
import Foundation
import SystemPackage

/// Writes a folder beside its place, and moves it there only when its whole content is on the disk.
///
/// The counterpart of ``AtomicFile`` for folders. A folder is replaced by an atomic swap, so that a complete one of
/// that name always exists; a file system that cannot swap takes two steps.
public enum AtomicFolder {
    /// Writes a folder with a closure.
    ///
    /// Leftovers of killed processes from the same folder are removed first.
    ///
    /// - Parameters:
    ///   - url: The folder's final name; an existing folder is replaced. Its parent must exist.
    ///   - fill: Writes into the given folder and syncs what it writes, like ``AtomicFile``; if it throws, the old
    ///     folder is kept and the new one removed.
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
        let old = new.appendingPathExtension("old")
        do {
            let result = try fill(new)
            let replaced = try put(new, in: url, aside: old)
            if let replaced { try? FileManager.default.removeItem(at: replaced) }
            return result
        } catch {
            try? FileManager.default.removeItem(at: new)
            // Then the new folder is in its place, and the replaced one has either of the two names.
            if case FileWriteError.notSynced = error { try? FileManager.default.removeItem(at: old) }
            throw (error as? FileWriteError)?.moved(from: new.path, to: url.path) ?? error
        }
    }

    /// Moves a complete folder to its place.
    ///
    /// - Parameters:
    ///   - new: The folder; its files are synced.
    ///   - place: Its final name.
    ///   - old: The name that an existing folder gets if the two cannot be swapped atomically. If the process is killed
    ///     at that moment, only this name is left of it.
    ///   - exchange: Swaps two folders atomically, and returns whether the file system supports it.
    /// - Returns: The new place of the folder that was replaced; nil if there was none.
    /// - Throws: `FileWriteError`.
    public static func put(
        _ new: URL, in place: URL, aside old: URL, exchange: (URL, URL) throws -> Bool = AtomicFolder.exchange
    ) throws -> URL? {
        try synchronize(new.path)
        var replaced: URL?
        if !FileManager.default.fileExists(atPath: place.path) {
            try rename(new, to: place)
        } else if try exchange(new, place) {
            replaced = new
        } else {
            try rename(place, to: old)
            do {
                try rename(new, to: place)
            } catch {
                try? rename(old, to: place)
                throw error
            }
            replaced = old
        }
        try synchronizeFolder(of: place.path)
        return replaced
    }

    /// Renames a file or folder, and syncs the renaming.
    ///
    /// - Parameters:
    ///   - url: The present name.
    ///   - place: The new name; an empty folder or a file of that name is replaced.
    /// - Throws: `FileWriteError`.
    public static func move(_ url: URL, to place: URL) throws(FileWriteError) {
        try rename(url, to: place)
        try synchronizeFolder(of: place.path)
    }

    private static func rename(_ url: URL, to place: URL) throws(FileWriteError) {
        guard Foundation.rename(url.path, place.path) == 0 else {
            throw FileWriteError(Errno(rawValue: errno), path: place.path, step: "rename")
        }
    }

    /// Swaps two folders atomically.
    ///
    /// - Returns: Whether they were swapped; false if the file system does not support it.
    /// - Throws: `FileWriteError`.
    @Sendable public static func exchange(_ first: URL, _ second: URL) throws -> Bool {
        if cf_exchange(first.path, second.path) == 0 { return true }
        switch errno {
        case EINVAL, ENOSYS, ENOTSUP: return false
        case let code: throw FileWriteError(Errno(rawValue: code), path: second.path, step: "rename")
        }
    }

    /// Syncs the names in a folder: otherwise a power failure could undo a renaming.
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

    /// Syncs the names in the folder of a file.
    ///
    /// - Parameter path: The file.
    /// - Throws: `FileWriteError`.
    static func synchronizeFolder(of path: String) throws(FileWriteError) {
        do {
            try synchronize(PathParts(path).folder)
        } catch {
            throw .notSynced(path: path, reason: error.reason)
        }
    }
}
