import Foundation

/// Parses JSON like Python's `json`, which wrote most of these files.
///
/// Keys are compared by their code points, the last of several equal ones counts, and `NaN` and `Infinity` are numbers.
/// A byte-order mark is dropped.
public struct JSONParser {
    /// The place where a text stops being JSON.
    public struct Failure: ExplainedError, Equatable {
        /// The line, from 1.
        public let line: Int
        /// The expected text.
        public let expected: String

        /// Input: the text is at fault.
        public var kind: ErrorKind { .input }
        /// The line, and the expected text.
        public var explanation: Explanation { Explanation("line \(line): expected \(expected)") }
    }

    /// Maximum nesting depth: far more than any real file has, far less than the stack allows.
    private static let deepest = 200

    private static let escapes: [UInt8: UInt8] = [
        UInt8(ascii: "\""): 0x22, UInt8(ascii: "\\"): 0x5C, UInt8(ascii: "/"): 0x2F, UInt8(ascii: "b"): 0x08,
        UInt8(ascii: "f"): 0x0C, UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09,
    ]
    private static let words: [(word: String, value: JSONValue)] = [
        ("true", .bool(true)), ("false", .bool(false)), ("null", .null), ("NaN", .number(.nan)),
        ("Infinity", .number(.infinity)), ("-Infinity", .number(-.infinity)),
    ]

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Parses a whole file.
    ///
    /// - Parameter data: The file's bytes.
    /// - Returns: The value.
    /// - Throws: `UTF8Text.Invalid` or ``Failure``, with the line.
    public static func value(_ data: Data) throws -> JSONValue { try value(Array(UTF8Text.decode(data).utf8)) }

    /// Parses a line that is known to be UTF-8.
    ///
    /// - Parameter line: The line's bytes.
    /// - Returns: The value.
    /// - Throws: ``Failure``.
    public static func value(ofLine line: UnsafeRawBufferPointer) throws(Failure) -> JSONValue {
        try value(Array(line))
    }

    private static func value(_ bytes: [UInt8]) throws(Failure) -> JSONValue {
        var parser = JSONParser(bytes)
        let value = try parser.value()
        parser.skipSpace()
        guard parser.position == parser.bytes.count else { throw parser.failure("nothing after the value") }
        return value
    }

    // MARK: Values

    private mutating func value() throws(Failure) -> JSONValue {
        skipSpace()
        guard let byte = peek() else { throw failure("a value, not the end of the file") }
        switch byte {
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "\""): return .string(try string())
        default: break
        }
        for (word, value) in Self.words where bytes[position...].starts(with: word.utf8) {
            position += word.utf8.count
            return value
        }
        return try number()
    }

    private mutating func object() throws(Failure) -> JSONObject {
        try enter()
        var members: [(key: String, value: JSONValue)] = []
        position += 1
        skipSpace()
        if !skip("}") {
            repeat {
                skipSpace()
                guard peek() == UInt8(ascii: "\"") else { throw failure("a key in quotation marks") }
                let key = try string()
                skipSpace()
                guard skip(":") else { throw failure("a colon after the key \"\(key.prefix(40).printable)\"") }
                members.append((key, try value()))
                skipSpace()
            } while skip(",")
            guard skip("}") else { throw failure("a comma or }") }
        }
        depth -= 1
        return JSONObject(inOrder: members)
    }

    private mutating func array() throws(Failure) -> [JSONValue] {
        try enter()
        var items: [JSONValue] = []
        position += 1
        skipSpace()
        if !skip("]") {
            repeat {
                items.append(try value())
                skipSpace()
            } while skip(",")
            guard skip("]") else { throw failure("a comma or ]") }
        }
        depth -= 1
        return items
    }

    private mutating func enter() throws(Failure) {
        depth += 1
        guard depth <= Self.deepest else { throw failure("at most \(Self.deepest) values inside each other") }
    }

    private mutating func number() throws(Failure) -> JSONValue {
        let start = position
        _ = skip("-")
        let digits = skipDigits()
        let begin = bytes[start] == UInt8(ascii: "-") ? start + 1 : start
        var isValid = digits > 0 && (digits == 1 || bytes[begin] != UInt8(ascii: "0"))
        var isWhole = true
        if skip(".") {
            isWhole = false
            isValid = isValid && skipDigits() > 0
        }
        if skip("e") || skip("E") {
            isWhole = false
            _ = skip("+") || skip("-")
            isValid = isValid && skipDigits() > 0
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isValid, isWhole, let integer = Int(text) { return .integer(integer) }
        guard isValid, let number = Double(text) else {
            position = start
            throw failure("a value")
        }
        return .number(number)
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        return position - start
    }

    // MARK: Strings

    private mutating func string() throws(Failure) -> String {
        position += 1
        var text: [UInt8] = []
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text.append(contentsOf: try escape())
            case 0..<0x20: throw failure("no line end or control character in a text")
            default:
                text.append(byte)
                position += 1
            }
        }
        throw failure("the quotation mark that ends a text")
    }

    private mutating func escape() throws(Failure) -> [UInt8] {
        position += 1
        if let byte = peek(), let meant = Self.escapes[byte] {
            position += 1
            return [meant]
        }
        guard skip("u") else { throw failure("an escape that JSON knows after \\") }
        var code = try codeUnit()
        if (0xD800..<0xDC00).contains(code) {
            guard skip("\\"), skip("u") else { throw failure("the second half of a surrogate pair") }
            let low = try codeUnit()
            guard (0xDC00..<0xE000).contains(low) else { throw failure("the second half of a surrogate pair") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw failure("the first half of a surrogate pair") }
        return Array(String(scalar).utf8)
    }

    private mutating func codeUnit() throws(Failure) -> UInt32 {
        let digits = bytes[position...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw failure("four hexadecimal digits after \\u") }
        position += 4
        return code
    }

    // MARK: Bytes

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    private func failure(_ expected: String) -> Failure {
        Failure(line: 1 + bytes[..<min(position, bytes.count)].count { $0 == 0x0A }, expected: expected)
    }
}
