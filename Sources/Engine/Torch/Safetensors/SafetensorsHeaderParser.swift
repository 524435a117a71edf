/// A parser of the JSON that the safetensors format allows in a header, and nothing else.
///
/// A general JSON parser silently keeps one of two equal keys; the format forbids duplicates, and parsers that keep
/// different ones would load different weights from one file.
struct SafetensorsHeaderParser {
    private let bytes: UnsafeRawBufferPointer
    private var position = 8

    private(set) var tensors: [SafetensorsFields] = []
    private(set) var metadata: [String: String] = [:]

    /// Makes a parser.
    ///
    /// - Parameter bytes: The file from its first byte to the header's last, so that offsets are those in the file.
    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func parse() throws(SafetensorsError.Damage) {
        guard peek() == UInt8(ascii: "{") else { throw syntax("the header to begin with {") }
        try parseObject { (parser, key) throws(SafetensorsError.Damage) in
            if key == "__metadata__" {
                try parser.parseMetadata()
            } else {
                try parser.parseTensor(name: key)
            }
        }
        skipWhitespace()
        guard position == bytes.count else { throw syntax("nothing but spaces after the header's object") }
    }

    private mutating func parseMetadata() throws(SafetensorsError.Damage) {
        try parseObject { (parser, key) throws(SafetensorsError.Damage) in
            parser.metadata[key] = try parser.parseString()
        }
    }

    private mutating func parseTensor(name: String) throws(SafetensorsError.Damage) {
        var fields = SafetensorsFields(name: name)
        try parseObject { (parser, field) throws(SafetensorsError.Damage) in
            switch field {
            case "dtype":
                fields.type = try parser.parseString()
            case "shape":
                fields.shape = try parser.parseIntegers()
            case "data_offsets":
                let offset = parser.position
                let numbers = try parser.parseIntegers()
                guard numbers.count == 2 else { throw .syntax(offset: offset, expected: "two data_offsets") }
                fields.offsets = numbers
            default:
                throw .unknownField(tensor: name, field: field)
            }
        }
        guard tensors.count < SafetensorsHeader.mostTensors else { throw .tooManyTensors }
        tensors.append(fields)
    }

    /// Parses an object; `value` is called where the value of `key` begins and must consume it.
    private mutating func parseObject(
        value: (inout Self, _ key: String) throws(SafetensorsError.Damage) -> Void
    ) throws(SafetensorsError.Damage) {
        try expect("{")
        var keys: Set<String> = []
        skipWhitespace()
        if peek() == UInt8(ascii: "}") {
            position += 1
            return
        }
        while true {
            let key = try parseString()
            guard keys.insert(key).inserted else { throw .duplicateKey(key) }
            try expect(":")
            try value(&self, key)
            guard try continues(closing: "}") else { return }
        }
    }

    private mutating func parseIntegers() throws(SafetensorsError.Damage) -> [Int] {
        try expect("[")
        var numbers: [Int] = []
        skipWhitespace()
        if peek() == UInt8(ascii: "]") {
            position += 1
            return numbers
        }
        while true {
            numbers.append(try parseInteger())
            guard try continues(closing: "]") else { return numbers }
        }
    }

    /// Reads what follows a member or element: true for a comma, false for the closing character.
    private mutating func continues(closing: Unicode.Scalar) throws(SafetensorsError.Damage) -> Bool {
        skipWhitespace()
        switch peek() {
        case UInt8(ascii: ","):
            position += 1
            return true
        case UInt8(ascii: closing):
            position += 1
            return false
        default:
            throw syntax(", or \(closing)")
        }
    }

    private mutating func parseInteger() throws(SafetensorsError.Damage) -> Int {
        skipWhitespace()
        let start = position
        var number = 0
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            let (product, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            guard !overflow, !carry else {
                throw .syntax(offset: start, expected: "a number below 2 to the power of 63")
            }
            number = sum
            position += 1
        }
        let leadingZero = position - start > 1 && bytes[start] == UInt8(ascii: "0")
        guard position > start, !leadingZero else {
            throw .syntax(offset: start, expected: "a whole number that is not negative")
        }
        return number
    }

    private mutating func parseString() throws(SafetensorsError.Damage) -> String {
        try expect("\"")
        let start = position
        var text: [UInt8] = []
        while true {
            guard let byte = peek() else { throw syntax("the end of a string") }
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw .notUTF8(offset: start) }
                return string
            case UInt8(ascii: "\\"):
                text.append(contentsOf: try parseEscape())
            case 0..<0x20:
                throw .syntax(offset: position - 1, expected: "no control characters in a string")
            default:
                text.append(byte)
            }
        }
    }

    private mutating func parseEscape() throws(SafetensorsError.Damage) -> [UInt8] {
        guard let byte = peek() else { throw syntax("an escaped character") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            let start = position - 2
            var code = UInt32(try parseCodeUnit())
            if (0xD800..<0xDC00).contains(code), peek() == UInt8(ascii: "\\") {
                position += 1
                guard peek() == UInt8(ascii: "u") else { throw syntax("the second half of a surrogate pair") }
                position += 1
                let low = UInt32(try parseCodeUnit())
                guard (0xDC00..<0xE000).contains(low) else { throw .notUTF8(offset: start) }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw .notUTF8(offset: start) }
            return Array(String(scalar).utf8)
        default:
            throw .syntax(offset: position - 1, expected: "an escape that JSON knows")
        }
    }

    private mutating func parseCodeUnit() throws(SafetensorsError.Damage) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw syntax("four hexadecimal digits")
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(SafetensorsError.Damage) {
        skipWhitespace()
        guard peek() == UInt8(ascii: character) else { throw syntax("\(character)") }
        position += 1
    }

    private mutating func skipWhitespace() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    private func peek() -> UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    private func syntax(_ expected: String) -> SafetensorsError.Damage {
        .syntax(offset: position, expected: expected)
    }
}
