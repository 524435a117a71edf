/// Returns Austin Appleby's MurmurHash64A with seed 0, by which KenLM's files and ours look up words.
func murmurHash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    let multiplier: UInt64 = 0xC6A4_A793_5BD1_E995
    var hash = UInt64(bytes.count) &* multiplier
    let tail = bytes.count & ~7
    var offset = 0
    while offset < tail {
        var block = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* multiplier
        block = (block ^ (block >> 47)) &* multiplier
        hash = (hash ^ block) &* multiplier
        offset += 8
    }
    if tail < bytes.count {
        var rest: UInt64 = 0
        for index in tail..<bytes.count { rest |= UInt64(bytes[index]) << UInt64((index - tail) * 8) }
        hash = (hash ^ rest) &* multiplier
    }
    hash = (hash ^ (hash >> 47)) &* multiplier
    return hash ^ (hash >> 47)
}

/// A map from pairs of small numbers to small numbers: open addressing in two flat arrays.
///
/// It stores tries: (node, label) leads to the child.
struct PairTable: Sendable {
    private static let empty = UInt64.max
    private var keys: [UInt64]
    private var values: [Int32]
    private var mask: Int
    /// The shift of a product so that its highest bits, which depend on the whole key, number the slots.
    private var shift: UInt64
    private(set) var count = 0

    init(minimumCapacity: Int = 64) {
        var size = 16
        while size < minimumCapacity * 2 { size *= 2 }
        keys = Array(repeating: Self.empty, count: size)
        values = Array(repeating: -1, count: size)
        mask = size - 1
        shift = Self.shift(size)
    }

    private static func shift(_ size: Int) -> UInt64 { UInt64(64 - size.trailingZeroBitCount) }

    @inline(__always) private static func key(_ first: Int32, _ second: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: first)) << 32 | UInt64(UInt32(bitPattern: second))
    }

    /// Returns the slot of a key, or the free slot where it belongs.
    @inline(__always) private func slot(_ key: UInt64) -> Int {
        var index = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) &>> shift)
        while keys[index] != key, keys[index] != Self.empty { index = (index + 1) & mask }
        return index
    }

    /// Returns the value of a pair, or −1.
    @inline(__always) func find(_ first: Int32, _ second: Int32) -> Int32 { values[slot(Self.key(first, second))] }

    /// Sets the value of a pair that has none.
    mutating func insert(_ first: Int32, _ second: Int32, _ value: Int32) {
        if (count + 1) * 2 > keys.count { grow() }
        let index = slot(Self.key(first, second))
        keys[index] = Self.key(first, second)
        values[index] = value
        count += 1
    }

    private mutating func grow() {
        let (oldKeys, oldValues) = (keys, values)
        keys = Array(repeating: Self.empty, count: oldKeys.count * 2)
        values = Array(repeating: -1, count: oldKeys.count * 2)
        mask = keys.count - 1
        shift = Self.shift(keys.count)
        for (key, value) in zip(oldKeys, oldValues) where key != Self.empty {
            let index = slot(key)
            keys[index] = key
            values[index] = value
        }
    }
}
