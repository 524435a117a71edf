/// Many strings in one buffer of UTF-8: millions of paths take as much memory as they have bytes.
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

    mutating func append(_ string: some Collection<UInt8>) {
        bytes.append(contentsOf: string)
        ends.append(bytes.count)
    }

    private func range(_ index: Int) -> Range<Int> {
        (index == 0 ? 0 : ends[index - 1])..<ends[index]
    }

    subscript(index: Int) -> String { String(decoding: bytes[range(index)], as: UTF8.self) }

    func utf8(_ index: Int) -> ArraySlice<UInt8> { bytes[range(index)] }
}
