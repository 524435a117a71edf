import Foundation

/// Text files as lines.
enum Lines {
    /// Whether a byte is white space: a line of nothing else is blank.
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// All lines as strings.
    static func read(_ url: URL) throws -> [String] {
        var lines: [String] = []
        var reader = try LineReader(url)
        while let line = try reader.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        return lines
    }

    /// Writes lines under a temporary name, a block at a time, and renames the file when it is whole.
    static func write(_ lines: some Sequence<String>, to url: URL) throws {
        let files = StagedFiles()
        try files.write(lines, to: url)
        try files.commit()
    }

    /// Writes lines a block at a time.
    ///
    /// - Returns: The temporary name, which is for the caller to change.
    static func writePartial(_ lines: some Sequence<String>, of url: URL) throws -> String {
        let partial = url.path + ".partial-\(UUID().uuidString)"
        let descriptor = Foundation.open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        func failure() -> CorpusError {
            .unwritable(file: url.path, reason: String(cString: strerror(errno)))
        }
        guard descriptor >= 0 else { throw failure() }
        var isOpen = true
        var isWritten = false
        defer {
            if isOpen { close(descriptor) }
            if !isWritten { unlink(partial) }
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
        isOpen = false
        guard close(descriptor) == 0 else { throw failure() }
        isWritten = true
        return partial
    }
}
