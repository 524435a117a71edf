import Foundation

/// Git LFS's pointer file: a few lines of text in place of a large file, as in a clone without Git LFS.
enum LargeFilePointer {
    /// Throws for such a file.
    ///
    /// - Throws: ``CheckpointError/damaged(path:reason:)`` that explains how to get the weights.
    static func refuse(_ file: URL) throws {
        let isFile = try? file.resolvingSymlinksInPath().resourceValues(forKeys: [.isRegularFileKey]).isRegularFile
        guard isFile == true, let handle = try? FileHandle(forReadingFrom: file) else { return }
        defer { try? handle.close() }
        let start = Data("version https://git-lfs".utf8)
        guard (try? handle.read(upToCount: start.count)) == start else { return }
        throw CheckpointError.damaged(
            path: file.path,
            reason:
                "it is a pointer of Git LFS, not the weights themselves: run git lfs pull in its folder, or fetch it "
                + "again")
    }
}
