import Foundation

/// A path's folder and name, split at its last slash byte.
///
/// Functions that split by characters miss a slash before a combining mark, with which it makes one character.
struct PathParts {
    /// The path of the folder: "." for a bare name, "/" for a name in the root.
    let folder: String
    /// The name behind the last slash.
    let name: String

    /// Splits a path, which does not end in a slash.
    init(_ path: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else {
            (folder, name) = (".", path)
            return
        }
        folder = slash == path.utf8.startIndex ? "/" : String(path[..<slash])
        name = String(path[path.utf8.index(after: slash)...])
    }

    /// Returns the path of another name in the folder.
    func sibling(_ name: String) -> String { (folder == "/" ? "" : folder) + "/" + name }

    /// Returns the file that a path leads to if it is a link, even one whose target does not exist yet.
    static func resolvingLink(_ path: String) -> String {
        var path = path
        // As many as Linux follows.
        for _ in 0..<40 {
            guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { break }
            path = target.utf8.first == UInt8(ascii: "/") ? target : PathParts(path).sibling(target)
        }
        return path
    }
}
