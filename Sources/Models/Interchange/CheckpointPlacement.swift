import Foundation
import W2VBase

/// Puts a new checkpoint in its place only when all of it is written.
///
/// A folder is filled beside its place and renamed; a file is written by its own writer's rename.
enum CheckpointPlacement {
    /// The files of checkpoints, which may make room for another; a folder with anything else is left alone.
    private static let replaceable: Set<String> = [
        "config.json", "model.safetensors", "preprocessor_config.json", "vocab.json", "tokenizer_config.json",
        "special_tokens_map.json",
    ]

    /// Writes a checkpoint.
    ///
    /// - Parameters:
    ///   - url: Its place.
    ///   - isFolder: Whether it is a folder.
    ///   - replaces: Whether a checkpoint that is there makes room; an empty folder always does.
    ///   - write: Writes to the URL that it is given; if it throws, what was there before stays.
    /// - Returns: What `write` returns.
    /// - Throws: ``CheckpointError/occupied(path:reason:)``, and what `write` and the file system throw.
    static func write<Result>(
        to url: URL, isFolder: Bool, replaces: Bool, _ write: (URL) throws -> Result
    ) throws -> Result {
        let manager = FileManager.default
        var isDirectory: ObjCBool = false
        let exists = manager.fileExists(atPath: url.path, isDirectory: &isDirectory)
        if exists { try checkRoom(url, isDirectory: isDirectory.boolValue, isFolder: isFolder, replaces: replaces) }
        try manager.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        guard isFolder else { return try write(url) }
        return try AtomicFolder.write(to: url, write)
    }

    private static func checkRoom(_ url: URL, isDirectory: Bool, isFolder: Bool, replaces: Bool) throws {
        func occupied(_ reason: String) -> CheckpointError { .occupied(path: url.path, reason: reason) }
        guard isDirectory == isFolder else {
            throw occupied(isDirectory ? "it is a folder where a file is to be written" : "it is a file, not a folder")
        }
        guard isDirectory else {
            guard replaces else { throw occupied("it exists; give --force to replace it") }
            return
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: url.path)
        if names.isEmpty { return }
        guard replaces else { throw occupied("it exists and is not empty; give --force to replace it") }
        if let other = names.filter({ !replaceable.contains($0) }).min() {
            throw occupied("it holds \(other), which is not part of a converted checkpoint; name another folder")
        }
    }
}
