import CW2VZlib
import Foundation
import W2VBase

/// Reads a text file line by line, plain or compressed by gzip; which one, its first bytes tell.
///
/// The text must be UTF-8, without zero bytes, as UTF-16 has them; a byte-order mark at its beginning is dropped.
final class LineReader {
    let path: String
    /// The number of the line that was read last, from 1.
    private(set) var number = 0
    private let file: gzFile
    private var buffer: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    private var isAtEnd = false
    private let longestLine: Int

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - longestLine: The most bytes of a line.
    /// - Throws: `LanguageModelError.unreadable`.
    init(path: String, longestLine: Int = UTF8Text.longestLine) throws(LanguageModelError) {
        self.path = path
        self.longestLine = longestLine
        // A folder can be opened for reading, and only then fails, with less clear words.
        var status = stat()
        guard stat(path, &status) == 0 else { throw .unreadable(path: path, reason: ByteStorage.lastError()) }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw .unreadable(path: path, reason: "it is a folder") }
        guard let file = gzopen(path, "rb") else {
            throw .unreadable(path: path, reason: ByteStorage.lastError())
        }
        self.file = file
        gzbuffer(file, 1 << 18)
        buffer = .allocate(byteCount: 1 << 16, alignment: 1)
    }

    deinit {
        gzclose(file)
        buffer.deallocate()
    }

    /// The next line without its end, or nil after the last one; the bytes stay valid until the next call.
    func next() throws(LanguageModelError) -> UnsafeRawBufferPointer? {
        if number == 0 { try dropMark() }
        var scanned = start
        while true {
            if let base = buffer.baseAddress, scanned < end, let feed = memchr(base + scanned, 0x0A, end - scanned) {
                let length = UnsafeRawPointer(feed) - (UnsafeRawPointer(base) + start)
                return try line(length: length, next: start + length + 1)
            }
            scanned = end
            if isAtEnd {
                guard start < end else { return nil }
                return try line(length: end - start, next: end)
            }
            scanned -= try fill()
        }
    }

    private func line(length: Int, next: Int) throws(LanguageModelError) -> UnsafeRawBufferPointer {
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<start + length])
        start = next
        number += 1
        guard bytes.count <= longestLine else { throw longLine(number) }
        let hasZero = bytes.baseAddress.map { memchr($0, 0, bytes.count) != nil } ?? false
        guard !hasZero, UTF8Text.isValid(bytes) else {
            throw .notUTF8(path: path, line: number, found: UnsafeRawBufferPointer(rebasing: bytes.prefix(200)).text)
        }
        return bytes.last == 0x0D ? UnsafeRawBufferPointer(rebasing: bytes.dropLast()) : bytes
    }

    private func dropMark() throws(LanguageModelError) {
        while end < UTF8Text.byteOrderMark.count, !isAtEnd { _ = try fill() }
        if buffer[..<end].starts(with: UTF8Text.byteOrderMark) { start = UTF8Text.byteOrderMark.count }
    }

    private func longLine(_ line: Int) -> LanguageModelError {
        .unusable(
            path: path,
            reason: "has more than \(longestLine >> 20) MiB in line \(line); check that it is a text file of lines")
    }

    /// Reads on, and returns by how much the bytes that were there moved towards the buffer's start.
    private func fill() throws(LanguageModelError) -> Int {
        let moved = start
        if let base = buffer.baseAddress, start > 0 {
            memmove(base, base + start, end - start)
            end -= start
            start = 0
        }
        guard end <= longestLine else { throw longLine(number + 1) }
        if end == buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: buffer.count * 2, alignment: 1)
            larger.copyMemory(from: UnsafeRawBufferPointer(buffer))
            buffer.deallocate()
            buffer = larger
        }
        let count = gzread(file, buffer.baseAddress.map { $0 + end }, UInt32(min(buffer.count - end, 1 << 24)))
        guard count >= 0 else {
            var code: Int32 = 0
            let reason = gzerror(file, &code).map { String(cString: $0) } ?? "unknown"
            throw .unreadable(path: path, reason: "after line \(number): \(reason)")
        }
        if count == 0 {
            var code: Int32 = 0
            _ = gzerror(file, &code)
            guard code != Z_BUF_ERROR else {
                throw .unreadable(path: path, reason: "the compressed data ends too early, after line \(number)")
            }
            isAtEnd = true
        }
        end += Int(count)
        return moved
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes as text.
    var text: String { String(decoding: self, as: UTF8.self) }

    /// Calls `body` with every word: a run of bytes that are no white space.
    func forEachField<Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
        var start = 0
        while start < count {
            while start < count, LetterText.isSpace(self[start]) { start += 1 }
            var end = start
            while end < count, !LetterText.isSpace(self[end]) { end += 1 }
            if end > start { try body(UnsafeRawBufferPointer(rebasing: self[start..<end])) }
            start = end
        }
    }
}
