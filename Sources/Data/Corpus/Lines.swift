import Foundation
import W2VBase

/// Reads lists line by line.
typealias LineReader = W2VBase.LineReader<CorpusError>

extension CorpusError: LineReadingError {
    /// Makes the error of an unreadable list.
    public init(_ problem: LineProblem, in path: String) {
        self =
            switch problem {
            case .notFound: .notFound(file: path)
            case .unreadable(let reason): .unreadable(file: path, reason: reason)
            case .notUTF8(let line, let found): .notUTF8(file: path, line: line, found: found)
            case .longLine(let line, let most): .longLine(file: path, line: line, most: most)
            }
    }
}

/// Reads and writes text files as lines.
package enum Lines {
    /// Returns whether a byte is white space: a line of only white space is blank.
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// Reads all lines as strings.
    package static func read(_ url: URL) throws -> [String] {
        var lines: [String] = []
        var reader = try LineReader(url)
        while let line = try reader.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        return lines
    }

    /// Writes a file of lines, which appears only when it is complete.
    package static func write(_ lines: some Sequence<String>, to url: URL) throws {
        let files = StagedFiles()
        try files.write(lines, to: url)
        try files.commit()
    }
}
