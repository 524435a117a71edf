import W2VBase

/// Damage of a file's content; the caller that knows the file adds its name.
struct FileDamage: ExplainedError {
    let reason: String

    var kind: ErrorKind { .input }
    var explanation: Explanation { Explanation(reason) }

    init(_ reason: String) {
        self.reason = reason
    }
}

/// Reads little-endian numbers and runs of bytes, never beyond the end.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    /// The position of the next byte.
    private(set) var position: Int
    private let what: String

    /// Makes a reader of some bytes.
    ///
    /// - Parameters:
    ///   - bytes: The bytes, which must stay alive.
    ///   - what: The content being read, for errors: "the zip directory".
    /// - Throws: `FileDamage` when the position is out of range.
    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0, _ what: String) throws(FileDamage) {
        guard position >= 0, position <= bytes.count else {
            throw FileDamage("\(what) should lie at byte \(position), and the file has \(bytes.count)")
        }
        self.bytes = bytes
        self.position = position
        self.what = what
    }

    /// The number of bytes left.
    var remaining: Int { bytes.count - position }

    /// Reads a run of bytes.
    mutating func take(_ count: Int) throws(FileDamage) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else {
            throw FileDamage("\(what) claims \(count) bytes at byte \(position), where \(remaining) are left")
        }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    /// Reads a number.
    mutating func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws(FileDamage) -> Number {
        Number(littleEndian: try take(MemoryLayout<Number>.size).loadUnaligned(as: Number.self))
    }

    /// Reads a length of four or eight bytes, which must not exceed the rest.
    mutating func length<Number: FixedWidthInteger>(_ type: Number.Type) throws(FileDamage) -> Int {
        let length = try integer(type)
        guard length >= 0, length <= remaining else {
            throw FileDamage("\(what) claims \(length) bytes at byte \(position), where \(remaining) are left")
        }
        return Int(length)
    }

    /// Reads a line without its end.
    mutating func line() throws(FileDamage) -> String {
        let rest = bytes[position...]
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            throw FileDamage("\(what) has an unfinished line at byte \(position)")
        }
        let line = try take(end - position)
        position += 1
        return String(decoding: line, as: UTF8.self)
    }

    /// Reads text of a given number of bytes.
    mutating func text(_ count: Int) throws(FileDamage) -> String {
        let start = position
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw FileDamage("\(what) has a text at byte \(start) that is not UTF-8")
        }
        return text
    }
}
