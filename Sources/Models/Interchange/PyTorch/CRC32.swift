/// The checksum of zip archives: CRC-32 with the polynomial 0xEDB88320 (PKWARE's APPNOTE, 4.4.7).
struct CRC32 {
    private var state: UInt32 = ~0

    /// The checksum of all bytes so far.
    var value: UInt32 { ~state }

    /// Eight tables, so that eight bytes go in one step; the first is the one for single bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var entry = UInt32(byte)
            for _ in 0..<8 { entry = entry & 1 == 1 ? entry >> 1 ^ 0xEDB8_8320 : entry >> 1 }
            tables[byte] = entry
        }
        for index in 256..<tables.count {
            let previous = tables[index - 256]
            tables[index] = tables[Int(previous & 0xFF)] ^ previous >> 8
        }
        return tables
    }()

    /// Takes in bytes.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        Self.tables.withUnsafeBufferPointer { table in
            var crc = state
            var rest = bytes[...]
            while rest.count >= 8 {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: rest.startIndex, as: UInt64.self))
                let mixed = word ^ UInt64(crc)
                crc = 0
                for lane in 0..<8 {
                    crc ^= table[(7 - lane) << 8 | Int(truncatingIfNeeded: mixed >> (8 * UInt64(lane)) & 0xFF)]
                }
                rest = rest.dropFirst(8)
            }
            for byte in rest { crc = table[Int((crc ^ UInt32(byte)) & 0xFF)] ^ crc >> 8 }
            state = crc
        }
    }
}
