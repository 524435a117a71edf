import Foundation

/// Many strings in one UTF-8 buffer: millions of paths take little more memory than their bytes.
struct PackedStrings: Sendable, Equatable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    var count: Int { ends.count }
    var byteCount: Int { bytes.count }

    init() {}

    init(_ strings: some Sequence<String>) {
        for string in strings { append(string.utf8) }
    }

    mutating func reserve(strings: Int, bytes byteCount: Int) {
        ends.reserveCapacity(strings)
        bytes.reserveCapacity(byteCount)
    }

    /// Reserves memory for a whole file once its first lines show their average length, so that growing never copies.
    ///
    /// - Parameters:
    ///   - read: The bytes of the file that the strings so far come from.
    ///   - size: The file's size in bytes.
    mutating func reserveRest(read: Int, of size: Int) {
        guard read > 0, size > read else { return }
        let share = 1.02 * Double(size) / Double(read)
        reserve(strings: Int(Double(count) * share) + 64, bytes: Int(Double(byteCount) * share) + 4096)
    }

    mutating func append(_ string: some Collection<UInt8>) {
        bytes.append(contentsOf: string)
        ends.append(bytes.count)
    }

    mutating func append(_ string: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: string)
        ends.append(bytes.count)
    }

    /// Appends the string that `write` appends to the bytes.
    mutating func append(_ write: (inout [UInt8]) throws -> Void) rethrows {
        try write(&bytes)
        ends.append(bytes.count)
    }

    mutating func append(contentsOf other: PackedStrings) {
        let start = bytes.count
        bytes.append(contentsOf: other.bytes)
        ends.append(contentsOf: other.ends.lazy.map { $0 + start })
    }

    private func range(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : ends[index - 1])..<ends[index]
    }

    subscript(index: Int) -> String { String(decoding: bytes[range(index)], as: UTF8.self) }

    func utf8(_ index: Int) -> ArraySlice<UInt8> { bytes[range(index)] }

    /// Calls `body` with a string's bytes, which are valid only until it returns.
    func withBytes<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range(index)])) }
    }

    /// Returns whether a string has exactly these bytes.
    func equals(_ index: Int, _ other: UnsafeRawBufferPointer) -> Bool {
        withBytes(index) { own in
            guard own.count == other.count else { return false }
            guard let first = own.baseAddress, let second = other.baseAddress else { return true }
            return memcmp(first, second, own.count) == 0
        }
    }

    /// Returns the strings at some indices.
    func selecting(_ indices: some Collection<Int>) -> PackedStrings {
        var result = PackedStrings()
        result.reserve(strings: indices.count, bytes: 0)
        for index in indices { result.append(utf8(index)) }
        return result
    }
}
