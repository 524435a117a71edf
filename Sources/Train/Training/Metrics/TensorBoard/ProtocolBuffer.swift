/// Encodes the few kinds of fields in event files, in the wire format of protocol buffers.
///
/// A protocol-buffer library would be far larger than the rest of the event files' code.
struct ProtocolBuffer {
    private(set) var bytes: [UInt8] = []

    private enum Wire: UInt64 {
        case variableLength = 0
        case eightBytes = 1
        case lengthPrefixed = 2
        case fourBytes = 5
    }

    private mutating func append(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func appendKey(_ field: Int, _ wire: Wire) { append(UInt64(field) << 3 | wire.rawValue) }

    private mutating func append(littleEndian number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Adds an `int64` or enumeration field.
    mutating func add(_ field: Int, _ number: Int) {
        appendKey(field, .variableLength)
        append(UInt64(bitPattern: Int64(number)))
    }

    /// Adds a `double` field.
    mutating func add(_ field: Int, _ number: Double) {
        appendKey(field, .eightBytes)
        append(littleEndian: number.bitPattern)
    }

    /// Adds a `float` field.
    mutating func add(_ field: Int, _ number: Float) {
        appendKey(field, .fourBytes)
        append(littleEndian: number.bitPattern)
    }

    /// Adds a packed `repeated double` field.
    mutating func add(_ field: Int, _ numbers: [Double]) {
        appendKey(field, .lengthPrefixed)
        append(UInt64(numbers.count * 8))
        for number in numbers { append(littleEndian: number.bitPattern) }
    }

    /// Adds a `string` or `bytes` field.
    mutating func add(_ field: Int, _ text: String) {
        appendKey(field, .lengthPrefixed)
        append(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// Adds a message field.
    ///
    /// - Parameters:
    ///   - field: The field's number.
    ///   - fill: Adds the message's own fields.
    mutating func add(_ field: Int, _ fill: (inout ProtocolBuffer) -> Void) {
        var message = ProtocolBuffer()
        fill(&message)
        appendKey(field, .lengthPrefixed)
        append(UInt64(message.bytes.count))
        bytes.append(contentsOf: message.bytes)
    }
}
