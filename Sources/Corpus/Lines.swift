import Foundation

/// A text file's lines as ranges of bytes, so that millions of them are split without a string each.
enum Lines {
    /// Calls `body` with every line, without its line feed and carriage return.
    ///
    /// A line feed at the very end begins no further line.
    static func forEach(
        in bytes: UnsafeRawBufferPointer, _ body: (_ number: Int, _ line: UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        guard let base = bytes.baseAddress else { return }
        var start = 0
        var number = 1
        while start < bytes.count {
            let rest = bytes.count - start
            let feed = memchr(base + start, 0x0A, rest).map { UnsafeRawPointer($0) - (base + start) } ?? rest
            let length = feed > 0 && bytes[start + feed - 1] == 0x0D ? feed - 1 : feed
            try body(number, UnsafeRawBufferPointer(rebasing: bytes[start..<(start + length)]))
            start += feed + 1
            number += 1
        }
    }

    /// A file's bytes, mapped into memory where that is possible.
    static func map(_ url: URL) throws -> Data {
        do {
            return try Data(contentsOf: url, options: .mappedIfSafe)
        } catch {
            guard FileManager.default.fileExists(atPath: url.path) else {
                throw CorpusError.notFound(file: url.path)
            }
            throw CorpusError.unreadable(file: url.path, reason: error.localizedDescription)
        }
    }

    /// All lines as strings.
    static func read(_ url: URL) throws -> [String] {
        var lines: [String] = []
        try map(url).withUnsafeBytes { bytes in
            forEach(in: bytes) { _, line in lines.append(String(decoding: line, as: UTF8.self)) }
        }
        return lines
    }

    /// Writes lines under a temporary name and renames the file when it is whole.
    static func write(_ lines: some Sequence<String>, to url: URL) throws {
        var data = Data()
        for line in lines {
            data.append(contentsOf: line.utf8)
            data.append(0x0A)
        }
        do {
            try data.write(to: url, options: .atomic)
        } catch {
            throw CorpusError.unwritable(file: url.path, reason: error.localizedDescription)
        }
    }
}
