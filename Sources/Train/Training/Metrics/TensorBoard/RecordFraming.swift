/// The framing of records in a TFRecord file: length, its checksum, the bytes, their checksum.
enum RecordFraming {
    /// Returns the record with its frame.
    static func framed(_ record: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(record.count + 16)
        let length = withUnsafeBytes(of: UInt64(record.count).littleEndian) { Array($0) }
        result += length
        withUnsafeBytes(of: maskedChecksum(length).littleEndian) { result += $0 }
        result += record
        withUnsafeBytes(of: maskedChecksum(record).littleEndian) { result += $0 }
        return result
    }

    /// Returns the checksum as the format stores it: rotated and offset, since a checksum of data with checksums is
    /// weak.
    static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
        let sum = checksum(bytes)
        return (sum >> 15 | sum << 17) &+ 0xA282_EAD8
    }

    /// Computes CRC-32C (Castagnoli; RFC 3720, appendix B.4).
    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { sum, byte in sum >> 8 ^ table[Int((sum ^ UInt32(byte)) & 0xFF)] }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
    }
}
