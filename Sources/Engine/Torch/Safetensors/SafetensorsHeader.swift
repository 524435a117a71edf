/// The element types of the safetensors format that take whole bytes; the raw values are the format's names.
public enum SafetensorsType: String, Sendable, CaseIterable {
    case bool = "BOOL"
    case uint8 = "U8"
    case int8 = "I8"
    case float8E5M2 = "F8_E5M2"
    case float8E4M3 = "F8_E4M3"
    case float8E8M0 = "F8_E8M0"
    case uint16 = "U16"
    case int16 = "I16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case uint32 = "U32"
    case int32 = "I32"
    case float32 = "F32"
    case uint64 = "U64"
    case int64 = "I64"
    case float64 = "F64"
    case complex64 = "C64"

    /// The bytes of one element.
    public var itemSize: Int {
        switch self {
        case .bool, .uint8, .int8, .float8E5M2, .float8E4M3, .float8E8M0: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64, .complex64: 8
        }
    }

    /// Returns the bytes that a tensor takes; nil if they do not fit into 64 bits or a dimension is negative.
    ///
    /// - Parameter shape: The tensor's dimensions; none for a scalar.
    public func byteCount(shape: [Int]) -> Int? {
        var total = itemSize
        for dimension in shape {
            let (product, overflow) = total.multipliedReportingOverflow(by: dimension)
            guard dimension >= 0, !overflow else { return nil }
            total = product
        }
        return total
    }
}

/// One tensor of a safetensors file.
public struct SafetensorsEntry: Sendable, Equatable {
    /// The tensor's name.
    public let name: String
    /// The elements' type.
    public let type: SafetensorsType
    /// The dimensions; none for a scalar.
    public let shape: [Int]
    /// The range of the tensor's bytes in the file, little-endian and row by row.
    public let byteRange: Range<Int>

    /// The number of elements.
    public var elementCount: Int { byteRange.count / type.itemSize }
}

/// The header of a safetensors file: the names, types, shapes and places of all tensors.
///
/// Format: an unsigned 64-bit little-endian length, that many bytes of JSON, then the data of all tensors without gaps.
/// Source: https://github.com/huggingface/safetensors#format
struct SafetensorsHeader {
    /// The maximum size of a header in bytes, as in the reference implementation.
    static let largest = 100_000_000
    /// The maximum number of tensors: the largest models have some thousands, and a header has room for millions of
    /// empty ones, which would take minutes to check.
    static let mostTensors = 100_000

    let entries: [SafetensorsEntry]
    let metadata: [String: String]

    /// Parses a whole file's header and checks every claim against the file's size.
    init(file: UnsafeRawBufferPointer) throws(SafetensorsError.Damage) {
        guard file.count >= 8 else { throw .tooShort(bytes: file.count) }
        let claimed = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
        guard claimed <= UInt64(Self.largest) else { throw .headerTooLong(length: claimed) }
        let length = Int(claimed)
        guard length <= file.count - 8 else { throw .headerBeyondEnd(length: length, bytes: file.count) }

        var parser = SafetensorsHeaderParser(bytes: UnsafeRawBufferPointer(rebasing: file[..<(8 + length)]))
        try parser.parse()
        metadata = parser.metadata
        let dataStart = 8 + length
        let available = file.count - dataStart
        var entries: [SafetensorsEntry] = []
        entries.reserveCapacity(parser.tensors.count)
        for tensor in parser.tensors { entries.append(try tensor.entry(dataStart: dataStart, available: available)) }
        // Empty tensors come before the one that begins at the same byte.
        entries.sort { left, right in
            (left.byteRange.lowerBound, left.byteRange.upperBound)
                < (right.byteRange.lowerBound, right.byteRange.upperBound)
        }
        var end = dataStart
        for entry in entries {
            guard entry.byteRange.lowerBound == end else {
                throw .notContiguous(
                    tensor: entry.name, expected: end - dataStart, found: entry.byteRange.lowerBound - dataStart)
            }
            end = entry.byteRange.upperBound
        }
        guard end == file.count else { throw .wrongEnd(expected: end - dataStart, found: available) }
        self.entries = entries
    }
}

/// A tensor's fields as found in the header, before they are checked against each other.
struct SafetensorsFields {
    var name: String
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?

    func entry(dataStart: Int, available: Int) throws(SafetensorsError.Damage) -> SafetensorsEntry {
        guard let type else { throw .missingField(tensor: name, field: "dtype") }
        guard let shape else { throw .missingField(tensor: name, field: "shape") }
        guard let offsets else { throw .missingField(tensor: name, field: "data_offsets") }
        guard let known = SafetensorsType(rawValue: type) else { throw .unknownType(tensor: name, type: type) }
        guard let size = known.byteCount(shape: shape) else { throw .shapeOverflow(tensor: name, shape: shape) }
        let begin = offsets[0]
        let end = offsets[1]
        guard begin <= end, end <= available else {
            throw .offsetsOutOfRange(tensor: name, begin: begin, end: end, available: available)
        }
        guard end - begin == size else { throw .wrongSize(tensor: name, expected: size, found: end - begin) }
        return SafetensorsEntry(
            name: name, type: known, shape: shape, byteRange: (dataStart + begin)..<(dataStart + end))
    }
}
