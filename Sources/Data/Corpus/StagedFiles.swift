import Foundation
import W2VBase

/// Files that belong together: written under temporary names, and renamed when all of them are complete.
///
/// Uncommitted files are removed when this object is released.
public final class StagedFiles {
    private var files: [(file: AtomicFile, url: URL)] = []

    /// Makes an empty set.
    public init() {}

    /// Writes lines in blocks.
    func write(_ lines: some Sequence<String>, to url: URL) throws {
        AtomicFile.removeLeftovers(of: url)
        do {
            let file = try AtomicFile(url)
            var block: [UInt8] = []
            for line in lines {
                block.append(contentsOf: line.utf8)
                block.append(0x0A)
                guard block.count >= 1 << 20 else { continue }
                try file.append(block)
                block.removeAll(keepingCapacity: true)
            }
            try file.append(block)
            try file.synchronize()
            files.append((file, url))
        } catch let error as FileWriteError {
            throw CorpusError.unwritable(file: url.path, reason: error.reason)
        }
    }

    /// Returns whether a staged file already exists with the same content.
    public func isUnchanged(_ url: URL) -> Bool {
        guard let staged = files.first(where: { $0.url == url }) else { return true }
        guard let temporary = staged.file.temporaryPath else { return false }
        return FileManager.default.contentsEqual(atPath: temporary, andPath: url.path)
    }

    /// Refuses to write manifests beside labels of other lists, which would be mistaken for their own.
    ///
    /// - Parameters:
    ///   - manifests: `.tsv` files that were staged.
    ///   - labels: The extensions of the labels that are written with each manifest.
    /// - Throws: `CorpusError.staleLabels`, unless the manifests are unchanged.
    public func refuseStaleLabels(beside manifests: [URL], besides labels: [String]) throws {
        let stale = manifests.filter { !isUnchanged($0) }.flatMap { manifest in
            Manifest.labelExtensions.filter { !labels.contains($0) }
                .map { manifest.deletingPathExtension().appendingPathExtension($0) }
                .filter { $0 != manifest && FileManager.default.fileExists(atPath: $0.path) }
        }
        guard let first = manifests.first, !stale.isEmpty else { return }
        throw CorpusError.staleLabels(manifest: first.relativePath, files: stale.map(\.relativePath))
    }

    /// Refuses to replace files that have other contents.
    ///
    /// - Throws: `CorpusError.occupied`.
    public func refuseReplacing() throws {
        let occupied = files.map(\.url).filter {
            FileManager.default.fileExists(atPath: $0.path) && !isUnchanged($0)
        }
        guard occupied.isEmpty else { throw CorpusError.occupied(files: occupied.map(\.relativePath)) }
    }

    /// Gives all files their names, replacing existing files.
    ///
    /// - Throws: `CorpusError.unwritable`.
    public func commit() throws {
        for (file, url) in files {
            do throws(FileWriteError) {
                try file.commit()
            } catch {
                throw CorpusError.unwritable(file: url.path, reason: error.reason)
            }
        }
        files = []
    }
}
