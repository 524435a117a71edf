import Foundation
import SystemPackage

/// A file mapped into memory for reading, as long as the object lives.
///
/// The file must not be shortened while it is mapped: reading beyond its new end crashes the program. Files that are
/// replaced by renaming, as ours are, stay complete for those who have mapped them.
///
/// `@unchecked Sendable` is safe: nothing here writes to the memory, and it is freed only at the end. Users of a
/// writable mapping keep its memory to one thread, or to tensors, which are shared as carefully as any others.
public final class MappedFile: @unchecked Sendable {
    /// Why a file cannot be mapped.
    public struct Failure: ExplainedError, Equatable {
        /// The file.
        public let path: String
        /// The system's reason.
        public let reason: String

        /// Input: another file may do.
        public var kind: ErrorKind { .input }

        /// The file and the reason.
        public var explanation: Explanation { Explanation("cannot read \(path): \(reason)") }
    }

    /// The file's content, valid while the object lives.
    public let bytes: UnsafeRawBufferPointer

    /// Maps a file.
    ///
    /// - Parameters:
    ///   - path: The file's path; an empty file maps to zero bytes.
    ///   - isWritable: Whether the memory may be changed. The file stays as it is: changed pages are copies.
    /// - Throws: `Failure` if the file does not exist or is not a regular file.
    public init(path: String, isWritable: Bool = false) throws(Failure) {
        func failure() -> Failure { Failure(path: path, reason: SystemReason.of(code: errno)) }
        // Opening a pipe for reading would wait for a writer; O_NONBLOCK has no effect on files.
        let descriptor = FileDescriptor(rawValue: open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK))
        guard descriptor.rawValue >= 0 else { throw failure() }
        defer { try? descriptor.close() }
        guard let status = try? descriptor.status() else { throw failure() }
        guard status.isFile else { throw Failure(path: path, reason: "it is not a file but a folder or a device") }
        let size = Int(status.st_size)
        guard size > 0 else {
            // An empty file cannot be mapped; its reader reports what is missing.
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ
        guard let start = mmap(nil, size, protection, MAP_PRIVATE, descriptor.rawValue, 0), start != MAP_FAILED else {
            throw failure()
        }
        bytes = UnsafeRawBufferPointer(start: start, count: size)
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }
}
