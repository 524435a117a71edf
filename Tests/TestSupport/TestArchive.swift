import Foundation

/// Makes tar archives for tests, valid and invalid ones.
public struct TestArchive {
    private var bytes: [UInt8] = []

    /// Makes an empty archive.
    public init() {}

    /// Makes an archive of files, in the given order.
    public init(_ files: [(name: String, content: Data)]) {
        for (name, content) in files { add(name, content) }
    }

    /// Adds an entry, in the `ustar` form.
    ///
    /// - Parameters:
    ///   - name: Up to 100 bytes, written unchanged.
    ///   - content: A file's content.
    ///   - type: tar's letter: `0` for a file, `5` for a folder, `2` for a symbolic link.
    ///   - link: A link's target.
    public mutating func add(_ name: String, _ content: Data = Data(), type: Character = "0", link: String = "") {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put(name, at: 0)
        put(octal(0o644, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(content.count, 11), at: 124)
        put(octal(0, 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put(link, at: 157)
        put("ustar\u{0}00", at: 257)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + "\u{0} ", at: 148)
        bytes += header + content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    /// The archive without compression.
    public var tar: Data { Data(bytes + [UInt8](repeating: 0, count: 1024)) }

    /// The archive in the gzip format, in stored blocks.
    public var gzip: Data {
        let content = [UInt8](tar)
        var output: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
        for start in stride(from: 0, to: content.count, by: 65_535) {
            let block = content[start..<min(start + 65_535, content.count)]
            let length = UInt16(block.count)
            output.append(start + block.count == content.count ? 1 : 0)
            for number in [length, ~length] { output += [UInt8(number & 255), UInt8(number >> 8)] }
            output += block
        }
        for number in [Self.crc(content), UInt32(content.count)] {
            for shift in [0, 8, 16, 24] as [UInt32] { output.append(UInt8(truncatingIfNeeded: number >> shift)) }
        }
        return Data(output)
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        var table: [UInt32] = []
        for index in 0..<256 {
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0xEDB8_8320 : value >> 1 }
            table.append(value)
        }
        var sum = UInt32.max
        for byte in bytes { sum = table[Int((sum ^ UInt32(byte)) & 255)] ^ (sum >> 8) }
        return ~sum
    }
}
