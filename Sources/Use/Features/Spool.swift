import Foundation
import SystemPackage
import W2VBase

/// Bytes stored on disk until the header before them is known; nothing remains of them after a crash.
final class Spool {
    private let descriptor: FileDescriptor
    private let path: String
    private(set) var count = 0

    /// Makes an unnamed file beside another one, on whose disk the bytes will need room anyway.
    init(beside url: URL) throws {
        path = url.path
        let name = url.deletingLastPathComponent().path + "/.\(url.lastPathComponent).\(UUID().uuidString).spool"
        descriptor = FileDescriptor(rawValue: open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600))
        guard descriptor.rawValue >= 0 else {
            throw FileWriteError(Errno(rawValue: errno), path: path, step: "create")
        }
        unlink(name)
    }

    deinit { if descriptor.rawValue >= 0 { try? descriptor.close() } }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        do throws(Errno) {
            try descriptor.write(all: bytes, counting: &count)
        } catch {
            throw FileWriteError(error, path: path, step: "write", written: count)
        }
    }

    /// Reads a range of the bytes, piece by piece.
    func copy(_ range: Range<Int>, to body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: min(range.count, 1 << 20), alignment: 16)
        defer { piece.deallocate() }
        var place = range.lowerBound
        while place < range.upperBound {
            let room = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, range.upperBound - place)])
            let count = try read(into: room, at: place)
            try body(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            place += count
        }
    }

    private func read(into room: UnsafeMutableRawBufferPointer, at place: Int) throws(FileWriteError) -> Int {
        do throws(Errno) {
            let count = try descriptor.read(some: room, at: place)
            guard count > 0 else { throw .ioError }
            return count
        } catch {
            throw FileWriteError(error, path: path, step: "read back what belongs into", written: place)
        }
    }
}
