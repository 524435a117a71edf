import Foundation
import W2VBase

/// Reads a text file line by line through one small buffer: a list of millions takes no more memory than its longest line.
///
/// The text must be UTF-8, without zero bytes, as UTF-16 has them; a byte-order mark at its beginning, which some editors write, is dropped.
struct LineReader: ~Copyable {
    /// The file's size, or 0 where it has none (a pipe).
    let size: Int
    /// The number of the line that `next` gave last, from 1.
    private(set) var number = 0
    private let descriptor: Int32
    private let path: String
    private var buffer: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    private var isAtEnd = false
    private let longestLine: Int

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - block: How many bytes are read at a time.
    ///   - longestLine: The most bytes of a line.
    /// - Throws: `CorpusError`.
    init(_ url: URL, block: Int = 1 << 20, longestLine: Int = UTF8Text.longestLine) throws {
        path = url.path
        self.longestLine = longestLine
        descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw errno == ENOENT || errno == ENOTDIR
                ? CorpusError.notFound(file: path)
                : CorpusError.unreadable(file: path, reason: String(cString: strerror(errno)))
        }
        var status = stat()
        size = fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
        // One byte more than is ever filled: behind every line stands a byte that ends a number.
        buffer = .allocate(byteCount: block + 1, alignment: 16)
        buffer[0] = 0
    }

    deinit {
        buffer.deallocate()
        close(descriptor)
    }

    /// The next line, without its line feed and carriage return; a line feed at the very end begins no further line.
    ///
    /// The bytes are valid until the next call, and the byte behind them may be read.
    ///
    /// - Returns: The line, or nil at the end.
    /// - Throws: `CorpusError.unreadable`; `CorpusError.notUTF8`; `CorpusError.longLine`.
    mutating func next() throws -> UnsafeRawBufferPointer? {
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

    private mutating func line(to feed: Int) throws -> UnsafeRawBufferPointer {
        let last = feed > start && buffer[feed - 1] == 0x0D ? feed - 1 : feed
        let line = UnsafeRawBufferPointer(rebasing: buffer[start..<last])
        start = min(feed + 1, end)
        number += 1
        guard line.count <= longestLine else {
            throw CorpusError.longLine(file: path, line: number, most: longestLine)
        }
        let hasZero = line.baseAddress.map { memchr($0, 0, line.count) != nil } ?? false
        guard !hasZero, UTF8Text.isValid(line) else {
            throw CorpusError.notUTF8(
                file: path, line: number, found: String(decoding: line.prefix(200), as: UTF8.self))
        }
        return line
    }

    private mutating func dropMark() throws {
        while end < 3 && !isAtEnd { try fill() }
        if end >= 3, buffer[0] == 0xEF, buffer[1] == 0xBB, buffer[2] == 0xBF { start = 3 }
    }

    /// Moves the unfinished line to the front, makes room if it fills the buffer, and reads on.
    private mutating func fill() throws {
        if start > 0, let base = buffer.baseAddress {
            memmove(base, base + start, end - start)
            end -= start
            start = 0
        }
        guard end <= longestLine else {
            throw CorpusError.longLine(file: path, line: number + 1, most: longestLine)
        }
        if end + 1 == buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * buffer.count, alignment: 16)
            larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[..<end]))
            buffer.deallocate()
            buffer = larger
        }
        let got = read(descriptor, buffer.baseAddress.map { $0 + end }, buffer.count - 1 - end)
        if got < 0 {
            if errno == EINTR { return }
            throw CorpusError.unreadable(file: path, reason: String(cString: strerror(errno)))
        }
        end += got
        buffer[end] = 0
        isAtEnd = got == 0
    }
}
