import Foundation

/// Text read from a file: UTF-8, without the byte-order mark that some editors write.
public enum UTF8Text {
    /// Bytes that are not UTF-8.
    public struct Invalid: ExplainedError, Equatable {
        /// The line of the first such byte, from 1.
        public let line: Int
        /// The line with � for each such byte, cut to 80 characters.
        public let found: String

        /// Input: text in another encoding.
        public var kind: ErrorKind { .input }

        /// The line and its contents, without the file's name; another encoding to convert it from, or how to unpack
        /// it.
        public var explanation: Explanation {
            Explanation(
                "line \(line) is not UTF-8 (\"\(found.printable)\")", "\(UTF8Text.remedy(for: found, line: line))")
        }
    }

    /// Returns what to do about a line that is not UTF-8 text, as the end of a sentence.
    ///
    /// - Parameters:
    ///   - found: The line's beginning, with � for each byte that is not UTF-8.
    ///   - line: Its number, from 1.
    /// - Returns: Another encoding to convert the file from, or how to unpack it.
    public static func remedy(for found: String, line: Int) -> String {
        let scalars = found.unicodeScalars
        let replaced: Unicode.Scalar = "\u{FFFD}"
        let formats: [(mark: [Unicode.Scalar], command: String)] = [
            (["\u{1F}", replaced], "gzip -d"), (["B", "Z", "h"], "bzip2 -d"),
            ([replaced, "7", "z", "X", "Z"], "xz -d"), (["(", replaced, "/", replaced], "zstd -d"),
            (["P", "K", "\u{3}", "\u{4}"], "unzip"),
        ]
        if line == 1, let format = formats.first(where: { scalars.starts(with: $0.mark) }) {
            return "the file is compressed: unpack it, as with \(format.command)"
        }
        let zeros = scalars.count { $0 == "\0" }
        // In UTF-16 every other byte of Latin letters and spaces is 0; its byte-order mark is not valid UTF-8.
        if 3 * zeros >= scalars.count || (line == 1 && scalars.starts(with: [replaced, replaced])), zeros > 0 {
            return "convert the file, as with iconv -f UTF-16 -t UTF-8"
        }
        if zeros > 0, !scalars.contains(replaced) { return "remove the zero bytes, as with tr -d '\\000'" }
        return "convert the file, as with iconv -f LATIN1 -t UTF-8"
    }

    /// The maximum bytes of a line of a text file, 64 MiB: more than any real text has, and small compared with the
    /// memory.
    ///
    /// A compressed file of a few megabytes can expand to a line of many gigabytes.
    public static let longestLine = 64 << 20

    /// Returns whether bytes are UTF-8.
    public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        // Nearly all lines are ASCII, in which no byte has the highest bit.
        var position = 0
        while position + 8 <= bytes.count {
            if bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) & 0x8080_8080_8080_8080 != 0 {
                return String(validating: bytes, as: UTF8.self) != nil
            }
            position += 8
        }
        return bytes[position...].allSatisfy { $0 < 0x80 } || String(validating: bytes, as: UTF8.self) != nil
    }

    /// The byte-order mark's bytes in UTF-8.
    public static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// Returns a file's bytes as text.
    ///
    /// - Parameter bytes: The whole file.
    /// - Throws: `Invalid`, with the first line that is not UTF-8.
    public static func decode(_ bytes: Data) throws(Invalid) -> String {
        let content = withoutMark(bytes)
        if let text = String(validating: content, as: UTF8.self) { return text }
        var number = 1
        for line in content.split(separator: 0x0A, omittingEmptySubsequences: false) {
            if String(validating: line, as: UTF8.self) == nil {
                throw Invalid(line: number, found: String(String(decoding: line, as: UTF8.self).prefix(80)))
            }
            number += 1
        }
        // A line feed is never part of a longer UTF-8 sequence, so one of the lines is invalid.
        throw Invalid(line: number, found: "")
    }

    /// Returns the bytes after a byte-order mark, or all of them without a mark.
    public static func withoutMark(_ bytes: Data) -> Data {
        bytes.starts(with: byteOrderMark) ? bytes.dropFirst(byteOrderMark.count) : bytes
    }
}
