import Foundation

/// Text that was read from a file: UTF-8, without the byte-order mark that some editors write.
public enum UTF8Text {
    /// Bytes that are not UTF-8.
    public struct Invalid: Error, Equatable, CustomStringConvertible {
        /// The line of the first such byte, from 1.
        public let line: Int
        /// The line with � for each such byte, at most 80 characters of it.
        public let found: String

        /// What was expected, what was found and what to do; the file's name belongs in front.
        public var description: String {
            // Every other byte of UTF-16 is 0 where the letters are Latin ones.
            let encoding = found.unicodeScalars.contains("\0") ? "UTF-16" : "LATIN1"
            return
                "line \(line) is not UTF-8 (\"\(found.printable)\"): convert the file, as with "
                + "iconv -f \(encoding) -t UTF-8"
        }
    }

    /// The most bytes that a line of a text file may have, 64 MiB: more than any text has, and little enough for memory.
    ///
    /// A compressed file of a few megabytes can unfold to a line of many gigabytes.
    public static let longestLine = 64 << 20

    /// Whether bytes are UTF-8.
    public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        // Nearly all lines are ASCII, where no byte has the highest bit.
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
    /// - Returns: The text.
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
        // No line feed is part of a longer UTF-8 sequence, so that one of the lines is at fault.
        throw Invalid(line: number, found: "")
    }

    /// Returns the bytes that follow a byte-order mark, or all of them where there is no mark.
    public static func withoutMark(_ bytes: Data) -> Data {
        bytes.starts(with: byteOrderMark) ? bytes.dropFirst(byteOrderMark.count) : bytes
    }
}
