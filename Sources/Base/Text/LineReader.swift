import CW2VZlib
import Foundation
import SystemPackage

/// Problems of a text file that is read line by line.
public enum LineProblem: Equatable, Sendable {
    /// The file does not exist.
    case notFound
    /// It cannot be opened or read; the reason is a clause without a period.
    case unreadable(reason: String)
    /// A line is not UTF-8; `found` is its beginning with � for invalid bytes.
    case notUTF8(line: Int, found: String)
    /// A line is longer than `most` bytes.
    case longLine(line: Int, most: Int)
}

/// A library's own error for problems of a text file.
public protocol LineReadingError: Error {
    /// Makes the error of a problem in the file at `path`.
    init(_ problem: LineProblem, in path: String)
}

/// Reads a text file line by line through one small buffer: a list of millions of lines takes only its longest line's
/// memory.
///
/// The text must be UTF-8 without zero bytes, which UTF-16 has; a byte-order mark at its beginning, which some editors
/// write, is dropped.
public struct LineReader<Failure: LineReadingError>: ~Copyable {
    /// The file.
    public let path: String
    /// The file's size on the disk, or 0 if it has no size (a pipe).
    public let size: Int
    /// The number of the line that `next` returned last, from 1.
    public private(set) var number = 0
    private let source: Source
    private var buffer: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    private var isAtEnd = false
    private let longestLine: Int

    /// The source of bytes: zlib would copy a plain file's bytes once more.
    private enum Source {
        case plain(FileDescriptor)
        case compressed(gzFile)
    }

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - unpacks: Whether it may be compressed with gzip, which its first bytes show.
    ///   - block: Number of bytes read at a time.
    ///   - longestLine: Maximum number of bytes in a line.
    /// - Throws: The library's error.
    public init(
        _ url: URL, unpacks: Bool = false, block: Int = 1 << 20, longestLine: Int = UTF8Text.longestLine
    ) throws(Failure) {
        try self.init(path: url.path, unpacks: unpacks, block: block, longestLine: longestLine)
    }

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - unpacks: Whether it may be compressed with gzip, which its first bytes show.
    ///   - block: Number of bytes read at a time.
    ///   - longestLine: Maximum number of bytes in a line.
    /// - Throws: The library's error.
    public init(
        path: String, unpacks: Bool = false, block: Int = 1 << 20, longestLine: Int = UTF8Text.longestLine
    ) throws(Failure) {
        let descriptor = FileDescriptor(rawValue: open(path, O_RDONLY | O_CLOEXEC))
        guard descriptor.rawValue >= 0 else {
            throw Failure(
                errno == ENOENT || errno == ENOTDIR
                    ? .notFound : .unreadable(reason: SystemReason.of(code: errno)), in: path)
        }
        let status = try? descriptor.status()
        // A folder can be opened and fails only when it is read, with a less clear error.
        guard status?.isFolder != true else {
            try? descriptor.close()
            throw Failure(.unreadable(reason: "it is a folder"), in: path)
        }
        self.path = path
        self.longestLine = longestLine
        size = Int(status?.st_size ?? 0)
        // One byte more than is ever filled: every line is followed by a byte that ends a number.
        buffer = .allocate(byteCount: block + 1, alignment: 16)
        buffer[0] = 0
        if unpacks, let file = gzdopen(descriptor.rawValue, "rb") {
            gzbuffer(file, 1 << 18)
            source = .compressed(file)
        } else {
            source = .plain(descriptor)
        }
    }

    deinit {
        buffer.deallocate()
        switch source {
        case .plain(let descriptor): try? descriptor.close()
        case .compressed(let file): gzclose(file)
        }
    }

    /// Returns the next line, without its line feed and carriage return; a line feed at the very end does not start
    /// another line.
    ///
    /// The bytes are valid until the next call, and the byte after them may be read.
    ///
    /// - Returns: The line, or nil at the end.
    /// - Throws: The library's error.
    public mutating func next() throws(Failure) -> UnsafeRawBufferPointer? {
        if number == 0 { try dropMark() }
        var searched = start
        while true {
            if searched < end, let base = buffer.baseAddress, let feed = memchr(base + searched, 0x0A, end - searched) {
                return try line(to: UnsafeRawPointer(feed) - UnsafeRawPointer(base))
            }
            searched = end
            if isAtEnd { return start < end ? try line(to: end) : nil }
            let moved = start
            try fill()
            searched -= moved - start
        }
    }

    private mutating func line(to feed: Int) throws(Failure) -> UnsafeRawBufferPointer {
        let last = feed > start && buffer[feed - 1] == 0x0D ? feed - 1 : feed
        let line = UnsafeRawBufferPointer(rebasing: buffer[start..<last])
        start = min(feed + 1, end)
        number += 1
        guard line.count <= longestLine else { throw problem(.longLine(line: number, most: longestLine)) }
        let hasZero = line.baseAddress.map { memchr($0, 0, line.count) != nil } ?? false
        guard !hasZero, UTF8Text.isValid(line) else {
            throw problem(.notUTF8(line: number, found: String(decoding: line.prefix(200), as: UTF8.self)))
        }
        return line
    }

    private mutating func dropMark() throws(Failure) {
        let mark = UTF8Text.byteOrderMark
        while end < mark.count && !isAtEnd { try fill() }
        if buffer[..<end].starts(with: mark) { start = mark.count }
    }

    /// Moves the unfinished line to the front, grows the buffer if it is full, and reads more.
    private mutating func fill() throws(Failure) {
        if start > 0, let base = buffer.baseAddress {
            memmove(base, base + start, end - start)
            end -= start
            start = 0
        }
        guard end <= longestLine else { throw problem(.longLine(line: number + 1, most: longestLine)) }
        if end + 1 == buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * buffer.count, alignment: 16)
            larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<end]))
            buffer.deallocate()
            buffer = larger
        }
        let count = try read(UnsafeMutableRawBufferPointer(rebasing: buffer[end..<(buffer.count - 1)]))
        end += count
        buffer[end] = 0
        isAtEnd = count == 0
    }

    private func read(_ room: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
        switch source {
        case .plain(let descriptor):
            do throws(Errno) {
                return try descriptor.read(some: room)
            } catch {
                throw problem(.unreadable(reason: SystemReason.of(code: error.rawValue)))
            }
        case .compressed(let file):
            let count = gzread(file, room.baseAddress, UInt32(min(room.count, 1 << 24)))
            var code: Int32 = 0
            let reason = gzerror(file, &code).map { String(cString: $0) } ?? "unknown"
            guard count >= 0 else { throw problem(.unreadable(reason: "after line \(number): \(reason)")) }
            guard count > 0 || code != Z_BUF_ERROR else {
                throw problem(.unreadable(reason: "the compressed data ends too early, after line \(number)"))
            }
            return Int(count)
        }
    }

    private func problem(_ problem: LineProblem) -> Failure { Failure(problem, in: path) }
}
