import Foundation
import W2VBase

/// What can go wrong while a file is written.
public enum FileWriteError: ExplainedError, Equatable {
    /// There is no room: on the disk, in the user's quota, or under the process's limit.
    case noSpace(path: String, reason: String, written: Int)
    /// Any other failure of the system.
    case failed(path: String, step: String, reason: String)

    /// The failure without the folder's name: "model.safetensors: the disk is full after 12 bytes".
    public var reason: String {
        switch self {
        case .noSpace(let path, let reason, let written):
            "\(URL(fileURLWithPath: path).lastPathComponent): \(reason) after \(written) bytes"
        case .failed(let path, let step, let reason):
            "cannot \(step) \(URL(fileURLWithPath: path).lastPathComponent): \(reason)"
        }
    }

    /// Failure: the content may be in order.
    public var kind: ErrorKind { .failure }

    /// The file, what happened to it, and what to do.
    public var explanation: Explanation {
        switch self {
        case .noSpace(let path, let reason, let written):
            Explanation(
                "cannot write \(path): \(reason) after \(written) bytes; the file's former content is untouched",
                "make room and save again")
        case .failed(let path, let step, let reason):
            Explanation("cannot \(step) \(path): \(reason); the file's former content is untouched")
        }
    }
}

/// Writes a file under a temporary name and gives it its name only when all of it is on the disk.
///
/// Whoever reads the name sees the old content or the new, whole: after a crash, a kill or a full disk too. A link stays one:
/// the file that it leads to is replaced. What is no file, such as a device or a pipe, is written to as the content comes.
public struct AtomicFile: ~Copyable {
    private let path: String
    /// Nil where there is nothing to replace.
    private let temporary: String?
    private let descriptor: Int32
    private var committed = false

    /// The number of bytes written so far.
    public private(set) var written = 0

    /// Writes a file by a closure.
    ///
    /// - Parameters:
    ///   - url: The file's final name; its folder must exist.
    ///   - body: Appends the content; if it throws, the old file stays and the new one goes.
    /// - Throws: `FileWriteError`, and what the closure throws.
    public static func write(to url: URL, _ body: (inout AtomicFile) throws -> Void) throws {
        var file = try AtomicFile(path: url.path)
        try body(&file)
        try file.commit()
    }

    /// Removes what processes that were killed while they wrote have left in a folder.
    ///
    /// - Parameters:
    ///   - folder: The folder; its subfolders are left alone.
    ///   - name: The name of the file that they wrote; nil for any.
    public static func removeLeftovers(in folder: URL, of name: String? = nil) {
        Leftovers.remove(in: folder) { file in
            guard let written = writtenName(ofTemporary: file) else { return false }
            return name.map { written == $0[...] } ?? true
        }
    }

    /// The name of the file that is written under a temporary one; nil for any other name.
    public static func writtenName(ofTemporary name: String) -> Substring? {
        let (end, mark) = (".partial", 37)
        guard name.hasPrefix("."), name.hasSuffix(end), name.count > 1 + mark + end.count else { return nil }
        let (written, identifier) = (name.dropFirst().dropLast(mark + end.count), name.dropLast(end.count).suffix(mark))
        return identifier.hasPrefix(".") && UUID(uuidString: String(identifier.dropFirst())) != nil ? written : nil
    }

    private init(path given: String) throws(FileWriteError) {
        let path = URL(fileURLWithPath: given).resolvingSymlinksInPath().path
        self.path = path
        var status = stat()
        if stat(given, &status) == 0, ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) {
            temporary = nil
            descriptor = open(given, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw Self.failure(path: given, step: "open", written: 0) }
            return
        }
        let folder = (path as NSString).deletingLastPathComponent
        let name = ".\((path as NSString).lastPathComponent).\(UUID().uuidString).partial"
        let temporary = (folder as NSString).appendingPathComponent(name)
        self.temporary = temporary
        descriptor = Leftovers.create(temporary)
        guard descriptor >= 0 else { throw Self.failure(path: path, step: "create", written: 0) }
    }

    deinit {
        close(descriptor)
        if !committed, let temporary { unlink(temporary) }
    }

    /// Appends bytes.
    ///
    /// - Parameter bytes: The bytes; none is fine.
    /// - Throws: `FileWriteError` when not all of them could be written.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(FileWriteError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // Linux writes at most 2 GiB less a page in one call.
            let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Self.failure(path: path, step: "write", written: written) }
            rest = rest.dropFirst(count)
            written += count
        }
    }

    /// Appends bytes.
    ///
    /// - Parameter bytes: The bytes; none is fine.
    /// - Throws: `FileWriteError` when not all of them could be written.
    public mutating func append(_ bytes: some ContiguousBytes) throws {
        try bytes.withUnsafeBytes { buffer in try append(buffer) }
    }

    private consuming func commit() throws(FileWriteError) {
        guard let temporary else { return }
        guard fsync(descriptor) == 0 else { throw Self.failure(path: path, step: "sync", written: written) }
        guard rename(temporary, path) == 0 else { throw Self.failure(path: path, step: "rename", written: written) }
        committed = true
        // Without this a power failure could still undo the renaming.
        let folder = (path as NSString).deletingLastPathComponent
        let handle = open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw Self.failure(path: path, step: "sync the folder of", written: written) }
        defer { close(handle) }
        guard fsync(handle) == 0 else { throw Self.failure(path: path, step: "sync the folder of", written: written) }
    }

    private static func failure(path: String, step: String, written: Int) -> FileWriteError {
        switch errno {
        case ENOSPC: .noSpace(path: path, reason: "the disk is full", written: written)
        case EDQUOT: .noSpace(path: path, reason: "the disk quota is used up", written: written)
        case EFBIG: .noSpace(path: path, reason: "the process's file size limit is reached", written: written)
        case ENOENT: .failed(path: path, step: step, reason: "its folder does not exist")
        case let code: .failed(path: path, step: step, reason: String(cString: strerror(code)))
        }
    }
}
