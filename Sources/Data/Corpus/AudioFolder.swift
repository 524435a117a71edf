import Foundation
import W2VBase

/// A folder of recordings.
public enum AudioFolder {
    /// Lists the audio files of a folder and its subfolders; files whose names begin with a dot are ignored.
    ///
    /// Links to folders are followed, but no folder is listed twice: if a link leads to a folder that is listed anyway,
    /// as in a loop, the folder's own name is used.
    ///
    /// - Parameters:
    ///   - folder: The folder to search.
    ///   - extensions: The extensions of audio files, without a dot, in any case.
    ///   - unreadable: Called for each subfolder that cannot be read, with its path relative to `folder` and the
    ///     reason; listing then continues. Without it such a subfolder is an error.
    /// - Returns: Paths relative to `folder`, ordered.
    /// - Throws: `CorpusError` if the folder does not exist, a subfolder cannot be read, or no file is found.
    public static func list(
        _ folder: URL, extensions: [String], unreadable: ((String, CorpusError) -> Void)? = nil
    ) throws(CorpusError) -> [String] {
        var status = stat()
        guard stat(folder.path, &status) == 0, status.isFolder else {
            throw .notFound(file: folder.path)
        }
        let wanted = Set(extensions.map { $0.lowercased() })
        var paths: [String] = []
        var waiting = [""]
        var links: [String] = []
        var seen: Set<FileIdentity> = []
        var hasUnreadable = false
        // Folders come before links, so that the name under which a folder is listed does not depend on the disk's
        // order.
        while !waiting.isEmpty || !links.isEmpty {
            if waiting.isEmpty {
                waiting = links.sorted { $1.utf8.lexicographicallyPrecedes($0.utf8) }
                links = []
            }
            let place = waiting.removeLast()
            let path = place.isEmpty ? folder.path : folder.path + "/" + place
            if let identity = FileIdentity(path), !seen.insert(identity).inserted { continue }
            let found: [(name: String, isFolder: Bool, isLink: Bool)]
            do {
                found = try entries(path)
            } catch {
                guard let unreadable, !place.isEmpty else { throw error }
                unreadable(place, error)
                hasUnreadable = true
                continue
            }
            for entry in found {
                let name = place.isEmpty ? entry.name : place + "/" + entry.name
                if entry.isFolder {
                    if entry.isLink { links.append(name) } else { waiting.append(name) }
                } else if !entry.name.hasPrefix("."), let dot = entry.name.lastIndex(of: "."),
                    wanted.contains(entry.name[entry.name.index(after: dot)...].lowercased())
                {
                    paths.append(name)
                }
            }
        }
        if paths.isEmpty, !hasUnreadable { throw .noAudio(folder: folder.path, extensions: extensions) }
        return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func entries(
        _ path: String
    ) throws(CorpusError) -> [(name: String, isFolder: Bool, isLink: Bool)] {
        guard let stream = opendir(path) else {
            throw .unreadable(file: path, reason: SystemReason.of(code: errno))
        }
        defer { closedir(stream) }
        var entries: [(name: String, isFolder: Bool, isLink: Bool)] = []
        errno = 0
        while let entry = readdir(stream) {
            var status = stat()
            let (name, isUTF8, isFolder, isLink) = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { bytes in
                    let isLink =
                        fstatat(dirfd(stream), bytes, &status, AT_SYMLINK_NOFOLLOW) == 0
                        && status.st_mode & S_IFMT == S_IFLNK
                    let isFolder =
                        fstatat(dirfd(stream), bytes, &status, 0) == 0 && status.isFolder
                    return (String(cString: bytes), String(validatingCString: bytes) != nil, isFolder, isLink)
                }
            }
            if name == "." || name == ".." { continue }
            if isFolder && !isUTF8 { throw .nameNotUTF8(file: path + "/" + name) }
            entries.append((name, isFolder, isLink))
            errno = 0
        }
        if errno != 0 { throw .unreadable(file: path, reason: SystemReason.of(code: errno)) }
        return entries
    }
}
