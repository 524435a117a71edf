import Foundation

/// A file mapped into memory for reading, as long as the object lives.
///
/// The file must not be shortened while it is mapped: reading beyond its new end crashes the program. Files that are
/// replaced by renaming, as ours are, stay complete for those who have mapped them.
///
/// `@unchecked Sendable` is safe: nothing here writes to the memory, and it is freed only at the end. A model that
/// adopts tensors in it may change them: the mapping is private, so the file stays as it is.
public final class MappedFile: @unchecked Sendable {
    /// The file's content, valid while the object lives.
    public let bytes: UnsafeRawBufferPointer

    /// Maps a file.
    ///
    /// - Parameter path: The file's path; an empty file maps to zero bytes.
    /// - Throws: `SafetensorsError.unreadable` when there is no such file, or it cannot be mapped.
    public init(path: String) throws(SafetensorsError) {
        // Opening a pipe for reading would wait for a writer; O_NONBLOCK has no effect on files.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: Self.lastError()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, reason: Self.lastError()) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .unreadable(path: path, reason: "it is not a file but a folder or a device")
        }
        let size = Int(status.st_size)
        guard size > 0 else {
            // An empty file cannot be mapped; the header's check reports the damage.
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let start = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED
        else {
            throw .unreadable(path: path, reason: Self.lastError())
        }
        bytes = UnsafeRawBufferPointer(start: start, count: size)
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }

    private static func lastError() -> String {
        let reason = String(cString: strerror(errno))
        return errno == ENOENT ? "there is no such file" : reason
    }
}
