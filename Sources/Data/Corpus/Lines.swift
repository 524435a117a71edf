import Foundation
import W2VBase

/// Text files as lines.
package enum Lines {
    /// Whether a byte is white space: a line of nothing else is blank.
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// All lines as strings.
    package static func read(_ url: URL) throws -> [String] {
        var lines: [String] = []
        var reader = try LineReader(url)
        while let line = try reader.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        return lines
    }

    /// Writes lines under a temporary name, a block at a time, and renames the file when it is whole.
    package static func write(_ lines: some Sequence<String>, to url: URL) throws {
        let files = StagedFiles()
        try files.write(lines, to: url)
        try files.commit()
    }

    /// Writes lines a block at a time.
    ///
    /// - Returns: The temporary name, which is for the caller to change, and the open descriptor, which is for the caller to
    ///   close once it has: until then the file is not taken for left over.
    static func writePartial(
        _ lines: some Sequence<String>, of url: URL
    ) throws -> (path: String, descriptor: Int32) {
        let mark = url.lastPathComponent + ".partial-"
        Leftovers.remove(in: url.deletingLastPathComponent()) { name in
            name.hasPrefix(mark) && UUID(uuidString: String(name.dropFirst(mark.count))) != nil
        }
        let partial = url.path + ".partial-\(UUID().uuidString)"
        let descriptor = Leftovers.create(partial)
        func failure() -> CorpusError {
            .unwritable(file: url.path, reason: String(cString: strerror(errno)))
        }
        guard descriptor >= 0 else { throw failure() }
        var isWritten = false
        defer {
            if !isWritten {
                unlink(partial)
                close(descriptor)
            }
        }
        var block: [UInt8] = []
        func flush() throws {
            var done = 0
            while done < block.count {
                let wrote = block.withUnsafeBytes {
                    Foundation.write(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done)
                }
                if wrote < 0 {
                    if errno == EINTR { continue }
                    throw failure()
                }
                done += wrote
            }
            block.removeAll(keepingCapacity: true)
        }
        for line in lines {
            block.append(contentsOf: line.utf8)
            block.append(0x0A)
            if block.count >= 1 << 20 { try flush() }
        }
        try flush()
        guard fsync(descriptor) == 0 else { throw failure() }
        isWritten = true
        return (partial, descriptor)
    }
}
