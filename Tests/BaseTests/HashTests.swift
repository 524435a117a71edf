import Foundation
import TestSupport
import Testing
import W2VBase

@Suite("Hashes and checksums", .onTestThreads)
struct HashTests {
    /// The published answers of Fowler, Noll and Vo for 64 bits.
    @Test func hashesAreThePublishedOnes() {
        func hash(_ text: String) -> UInt64 {
            var hash = FNV1a()
            hash.add(text.utf8)
            return hash.value
        }
        #expect(hash("") == 0xCBF2_9CE4_8422_2325 && hash("a") == 0xAF63_DC4C_8601_EC8C)
        #expect(hash("foobar") == 0x8594_4171_F739_67E8)
        var words = FNV1a()
        words.add(0x61 as UInt32)
        #expect(words.value == hash("a") && words.hexadecimal == "af63dc4c8601ec8c")
    }

    /// The check value of CRC-32 in Williams' catalog.
    @Test func checksumsAreThoseOfZip() {
        var whole = CRC32()
        var parts = CRC32()
        Data("123456789".utf8).withUnsafeBytes { bytes in
            whole.add(bytes)
            parts.add(UnsafeRawBufferPointer(rebasing: bytes[..<4]))
            parts.add(UnsafeRawBufferPointer(rebasing: bytes[4...]))
        }
        #expect(whole.value == 0xCBF4_3926 && parts.value == whole.value && CRC32().value == 0)
    }
}
