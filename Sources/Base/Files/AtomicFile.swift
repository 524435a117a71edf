import Foundation
import SystemPackage

/// Writes a file under a temporary name, and renames it only when its whole content is on the disk.
///
/// A reader of the name sees either the complete old content or the complete new one, even after a crash, a kill, a
/// full disk or a power failure. The rule is the same for all our files: write beside the old file, sync, rename, sync
/// the folder. A link is kept: the file that it leads to is replaced. Anything but a file, such as a device or a pipe,
/// is written directly. An object that is released before ``commit()`` removes its temporary file.
public final class AtomicFile {
    /// The final name, with links resolved.
    public let path: String
    /// The temporary name; nil if the file is written directly.
    public let temporaryPath: String?
    /// The descriptor of the content, for libraries that write to one; it is closed with this object.
    public let descriptor: FileDescriptor
    /// Number of bytes appended so far.
    public private(set) var written = 0
    private var isSynchronized = false
    private var isCommitted = false

    /// Writes a file with a closure.
    ///
    /// - Parameters:
    ///   - url: The file's final name; its folder must exist.
    ///   - body: Appends the content; if it throws, the old file is kept and the new one removed.
    /// - Throws: `FileWriteError`, and what the closure throws.
    public static func write(to url: URL, _ body: (AtomicFile) throws -> Void) throws {
        let file = try AtomicFile(url)
        try body(file)
        try file.commit()
    }

    /// Starts a file.
    ///
    /// - Parameter url: The file's final name; its folder must exist.
    /// - Throws: `FileWriteError`.
    public init(_ url: URL) throws(FileWriteError) {
        let given = url.path
        let path = PathParts.resolvingLink(given)
        self.path = path
        var status = stat()
        if stat(given, &status) == 0, !status.isFile, !status.isFolder {
            temporaryPath = nil
            descriptor = FileDescriptor(rawValue: open(given, O_WRONLY | O_CLOEXEC))
            guard descriptor.rawValue >= 0 else {
                throw FileWriteError(Errno(rawValue: errno), path: given, step: "open")
            }
            return
        }
        let temporary = Self.temporaryName(for: path)
        temporaryPath = temporary
        do throws(Errno) {
            descriptor = try Leftovers.create(temporary)
        } catch {
            throw FileWriteError(error, path: path, step: "create")
        }
    }

    deinit {
        if !isCommitted, let temporaryPath { unlink(temporaryPath) }
        if descriptor.rawValue >= 0 { try? descriptor.close() }
    }

    /// Appends bytes.
    ///
    /// - Parameter bytes: The bytes; may be empty.
    /// - Throws: `FileWriteError` if not all of them could be written.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(FileWriteError) {
        isSynchronized = false
        try step("write") { () throws(Errno) in try descriptor.write(all: bytes, counting: &written) }
    }

    /// Appends bytes.
    ///
    /// - Parameter bytes: The bytes; may be empty.
    /// - Throws: `FileWriteError` if not all of them could be written.
    public func append(_ bytes: some ContiguousBytes) throws {
        try bytes.withUnsafeBytes { buffer in try append(buffer) }
    }

    /// Syncs the content to the disk, still under the temporary name, so that little is left that could fail.
    ///
    /// - Throws: `FileWriteError`.
    public func synchronize() throws(FileWriteError) {
        guard temporaryPath != nil, !isSynchronized else { return }
        try step("sync") { () throws(Errno) in try descriptor.synchronize() }
        isSynchronized = true
    }

    /// Gives the complete file its name.
    ///
    /// - Throws: `FileWriteError`; the old file still exists, except after `FileWriteError.notSynced`.
    public func commit() throws(FileWriteError) {
        guard let temporaryPath else { return }
        try synchronize()
        guard rename(temporaryPath, path) == 0 else {
            throw FileWriteError(Errno(rawValue: errno), path: path, step: "rename", written: written)
        }
        isCommitted = true
        try AtomicFolder.synchronizeFolder(of: path)
    }

    private func step(_ verb: String, _ body: () throws(Errno) -> Void) throws(FileWriteError) {
        do throws(Errno) {
            try body()
        } catch {
            throw FileWriteError(error, path: path, step: verb, written: written)
        }
    }
}

// MARK: - Names

extension AtomicFile {
    private static let ending = ".partial"
    /// The length of an identifier and the period before it.
    private static let mark = 37

    /// Removes the temporary files that killed processes left in a folder.
    ///
    /// - Parameters:
    ///   - folder: The folder; its subfolders are not searched.
    ///   - name: The final name of the files; nil for any.
    public static func removeLeftovers(in folder: URL, of name: String? = nil) {
        Leftovers.remove(in: folder) { file in
            guard let written = writtenName(ofTemporary: file) else { return false }
            return name.map { written.hasSameCodePoints(as: $0) } ?? true
        }
    }

    /// Removes the temporary files of a file that killed processes left.
    public static func removeLeftovers(of file: URL) {
        removeLeftovers(in: file.deletingLastPathComponent(), of: file.lastPathComponent)
    }

    /// Returns a temporary name beside a file or folder: `.NAME.UUID.partial`.
    static func temporaryName(for path: String) -> String {
        let parts = PathParts(path)
        return parts.sibling(".\(parts.name).\(UUID().uuidString)\(ending)")
    }

    /// Returns the final name of a temporary name; nil for any other name.
    public static func writtenName(ofTemporary name: String) -> Substring? {
        // By code points: a full stop and a combining mark behind it are one character.
        let (name, ending) = (name.unicodeScalars, ending.unicodeScalars)
        guard name.first == ".", name.suffix(ending.count).elementsEqual(ending), name.count > 1 + mark + ending.count
        else { return nil }
        let identifier = name.dropLast(ending.count).suffix(mark)
        guard identifier.first == ".", UUID(uuidString: String(identifier.dropFirst())) != nil else { return nil }
        return Substring(name.dropFirst().dropLast(mark + ending.count))
    }
}
