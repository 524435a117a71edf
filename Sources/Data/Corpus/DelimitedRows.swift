import Foundation
import W2VBase

/// Reads the rows of a table: fields between tabs, commas, semicolons or bars, of which some may be quoted.
///
/// With commas and semicolons, quotation marks are those of RFC 4180: a quoted field may have separators, line breaks
/// and doubled quotation marks. Between tabs, where sentences often begin with quotation marks of their own, a field is
/// only taken for quoted if it also ends with one and all others are doubled. Between bars they are text.
///
/// Source: RFC 4180, section 2.
struct DelimitedRows: ~Copyable {
    private static let quote = UInt8(ascii: "\"")

    private let url: URL
    private let separator: UInt8
    private var reader: LineReader

    /// Opens a table.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - separator: The ASCII character between fields.
    init(_ url: URL, separator: UInt8) throws(CorpusError) {
        self.url = url
        self.separator = separator
        reader = try LineReader(url)
    }

    /// Returns the next row that is not blank and the number of its first line, or nil at the end.
    ///
    /// - Throws: `CorpusError.badLine` for a quotation mark that is not closed, or followed by other text.
    mutating func next() throws -> (fields: [String], line: Int)? {
        while let line = try reader.next() {
            let first = reader.number
            if line.allSatisfy({ Lines.isBlank($0) }) { continue }
            let bytes = Array(line)
            switch separator {
            case UInt8(ascii: "\t"): return (split(bytes).map(Self.unquoted), first)
            case UInt8(ascii: "|"): return (split(bytes), first)
            default: return (try quotedFields(bytes, from: first), first)
            }
        }
        return nil
    }

    private func split(_ line: [UInt8]) -> [String] {
        line.split(separator: separator, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Returns a field's text, if it is a quoted one, and otherwise the field.
    private static func unquoted(_ field: String) -> String {
        let bytes = Array(field.utf8)
        guard bytes.count >= 2, bytes.first == quote, bytes.last == quote else { return field }
        var text: [UInt8] = []
        var position = 1
        while position < bytes.count - 1 {
            if bytes[position] == quote {
                position += 1
                guard position < bytes.count - 1, bytes[position] == quote else { return field }
            }
            text.append(bytes[position])
            position += 1
        }
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func quotedFields(_ begin: [UInt8], from first: Int) throws -> [String] {
        let file = url.path
        func bad(_ expected: String) -> CorpusError {
            .badLine(
                file: file, line: first, expected: expected, found: String(decoding: begin.prefix(200), as: UTF8.self))
        }
        var line = begin
        var fields: [String] = []
        var field: [UInt8] = []
        var position = 0
        var isFieldStart = true
        var isQuoted = false
        while true {
            if isQuoted {
                if position == line.count {
                    guard let next = try reader.next() else { throw bad("a quotation mark that is closed again") }
                    field.append(0x0A)
                    (line, position) = (Array(next), 0)
                } else if line[position] != Self.quote {
                    field.append(line[position])
                    position += 1
                } else if position + 1 < line.count, line[position + 1] == Self.quote {
                    field.append(Self.quote)
                    position += 2
                } else {
                    position += 1
                    isQuoted = false
                    guard position == line.count || line[position] == separator else {
                        throw bad("a separator behind a field in quotation marks (\"\" stands for one within a field)")
                    }
                }
                continue
            }
            if position == line.count || line[position] == separator {
                fields.append(String(decoding: field, as: UTF8.self))
                field.removeAll(keepingCapacity: true)
                if position == line.count { return fields }
                isFieldStart = true
            } else {
                isQuoted = isFieldStart && line[position] == Self.quote
                if !isQuoted { field.append(line[position]) }
                isFieldStart = false
            }
            position += 1
        }
    }
}
