import Foundation
import W2VBase

/// The bytes of a language model: a mapped file, or memory of our own.
///
/// `@unchecked Sendable` is safe: the code that fills the memory passes it on when it is complete, and it is never
/// written to afterward.
final class ByteStorage: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let isMapped: Bool

    /// Maps a file for reading.
    init(mapping path: String) throws(LanguageModelError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: Self.lastError()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, reason: Self.lastError()) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .unreadable(path: path, reason: "it is not a file but a folder or a device")
        }
        let size = Int(status.st_size)
        isMapped = size > 0
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let start = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED else {
            throw .unreadable(path: path, reason: Self.lastError())
        }
        bytes = UnsafeRawBufferPointer(start: start, count: size)
    }

    /// Takes ownership of memory, which is freed at the end.
    init(adopting memory: UnsafeMutableRawBufferPointer) {
        bytes = UnsafeRawBufferPointer(memory)
        isMapped = false
    }

    deinit {
        if isMapped, let start = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
        } else {
            bytes.deallocate()
        }
    }

    /// Returns the words for the system's last error.
    static func lastError() -> String {
        errno == ENOENT ? "there is no such file" : SystemReason.of(code: errno)
    }
}
