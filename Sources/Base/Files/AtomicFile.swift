import Foundation
import SystemPackage

/// Writes a file under a temporary name and gives it its name only when all of it is on the disk.
///
/// A reader of the name sees the old content or the new, whole: after a crash, a kill, a full disk or a power failure too.
/// The rule is the same for every file of ours: write beside it, sync the file, rename it, sync the folder. A link stays
/// one: the file that it leads to is replaced. What is not a file, such as a device or a pipe, is written to as the content
/// comes. An object that ends before ``commit()`` takes its temporary file along.
public final class AtomicFile {
    /// The final name, with links resolved.
    public let path: String
    /// The name until then; nil where there is nothing to replace.
    public let temporaryPath: String?
    /// Where the content goes, for libraries that write to a descriptor; it is closed with this object.
    public let descriptor: FileDescriptor
    /// The number of bytes appended so far.
    public private(set) var written = 0
    private var isSynchronized = false
    private var isCommitted = false

    /// Writes a file by a closure.
    ///
    /// - Parameters:
    ///   - url: The file's final name; its folder must exist.
    ///   - body: Appends the content; if it throws, the old file stays and the new one goes.
    /// - Throws: `FileWriteError`, and what the closure throws.
    public static func write(to url: URL, _ body: (AtomicFile) throws -> Void) throws {
        let file = try AtomicFile(url)
        try body(file)
        try file.commit()
    }

    /// Begins a file.
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
    /// - Parameter bytes: The bytes; none is fine.
    /// - Throws: `FileWriteError` when not all of them could be written.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(FileWriteError) {
        isSynchronized = false
        try step("write") { () throws(Errno) in try descriptor.write(all: bytes, counting: &written) }
    }

    /// Appends bytes.
    ///
    /// - Parameter bytes: The bytes; none is fine.
    /// - Throws: `FileWriteError` when not all of them could be written.
    public func append(_ bytes: some ContiguousBytes) throws {
        try bytes.withUnsafeBytes { buffer in try append(buffer) }
    }

    /// Puts the content on the disk, still under the temporary name, so that little is left that could fail.
    ///
    /// - Throws: `FileWriteError`.
    public func synchronize() throws(FileWriteError) {
        guard temporaryPath != nil, !isSynchronized else { return }
        try step("sync") { () throws(Errno) in try descriptor.synchronize() }
        isSynchronized = true
    }

    /// Gives the whole file its name.
    ///
    /// - Throws: `FileWriteError`; then the old file is still there.
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
    /// The length of an identifier and the full stop before it.
    private static let mark = 37

    /// Removes what processes that were killed while they wrote have left in a folder.
    ///
    /// - Parameters:
    ///   - folder: The folder; its subfolders are left alone.
    ///   - name: The name of the file that they wrote; nil for any.
    public static func removeLeftovers(in folder: URL, of name: String? = nil) {
        Leftovers.remove(in: folder) { file in
            guard let written = writtenName(ofTemporary: file) else { return false }
            return name.map { written.hasSameCodePoints(as: $0) } ?? true
        }
    }

    /// Removes what processes that were killed while they wrote a file have left of it.
    ///
    /// - Parameter file: The file.
    public static func removeLeftovers(of file: URL) {
        removeLeftovers(in: file.deletingLastPathComponent(), of: file.lastPathComponent)
    }

    /// A temporary name beside a file or folder: `.NAME.UUID.partial`.
    ///
    /// - Parameter path: The final name.
    /// - Returns: The path.
    static func temporaryName(for path: String) -> String {
        let parts = PathParts(path)
        return parts.sibling(".\(parts.name).\(UUID().uuidString)\(ending)")
    }

    /// The name of the file that is written under a temporary one; nil for any other name.
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
