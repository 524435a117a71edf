import Foundation
import W2VBase

/// Moves a new checkpoint to its destination only when it is complete.
///
/// A folder is filled beside its destination and renamed; a file is renamed by its own writer.
enum CheckpointPlacement {
    /// The files of checkpoints, which may be replaced; a folder with anything else is left alone.
    private static let replaceable: Set<String> = [
        "config.json", "model.safetensors", "preprocessor_config.json", "vocab.json", "tokenizer_config.json",
        "special_tokens_map.json",
    ]

    /// Writes a checkpoint.
    ///
    /// - Parameters:
    ///   - replaces: Whether an existing checkpoint is replaced; an empty folder always is.
    ///   - write: Writes to the URL that it receives; if it throws, the old content stays.
    /// - Returns: The result of `write`.
    /// - Throws: ``CheckpointError/occupied(path:reason:advice:)``, and any error of `write` and the file system.
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
        func occupied(_ reason: String, _ advice: Advice? = nil) -> CheckpointError {
            .occupied(path: url.path, reason: reason, advice: advice)
        }
        guard isDirectory == isFolder else {
            throw occupied(isDirectory ? "it is a folder where a file is to be written" : "it is a file, not a folder")
        }
        guard isDirectory else {
            guard replaces else { throw occupied("it exists", "\(.replace) it") }
            return
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: url.path)
        if names.isEmpty { return }
        guard replaces else { throw occupied("it exists and is not empty", "\(.replace) it") }
        if let other = names.filter({ !replaceable.contains($0) }).min() {
            throw occupied("it holds \(other), which is not part of a converted checkpoint", "name another folder")
        }
    }
}
