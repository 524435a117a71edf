import Foundation
import W2VTorch

/// Bytes kept on disk until it is known what stands before them; nothing is left of them after a crash.
final class Spool {
    private let descriptor: Int32
    private let path: String
    private(set) var count = 0

    /// Makes a nameless file beside another one, where there will have to be room anyway.
    init(beside url: URL) throws {
        path = url.path
        let name = url.deletingLastPathComponent().path + "/.\(url.lastPathComponent).\(UUID().uuidString).spool"
        descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure(path, "create", written: 0) }
        unlink(name)
    }

    deinit { close(descriptor) }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { throw Self.failure(path, "write", written: count) }
            rest = rest.dropFirst(written)
            count += written
        }
    }

    /// Hands over a part, piece by piece.
    func copy(_ range: Range<Int>, to body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: min(range.count, 1 << 20), alignment: 16)
        defer { piece.deallocate() }
        var place = range.lowerBound
        while place < range.upperBound {
            let read = pread(descriptor, piece.baseAddress, min(piece.count, range.upperBound - place), off_t(place))
            if read < 0 && errno == EINTR { continue }
            guard read > 0 else { throw Self.failure(path, "read back what belongs into", written: place) }
            try body(UnsafeRawBufferPointer(rebasing: piece[..<read]))
            place += read
        }
    }

    private static func failure(_ path: String, _ step: String, written: Int) -> FileWriteError {
        errno == ENOSPC
            ? .noSpace(path: path, reason: "the disk is full", written: written)
            : .failed(path: path, step: step, reason: String(cString: strerror(errno)))
    }
}
