import Foundation
import W2VBase
import W2VTorch

/// Writes files that `torch.load` reads: a zip archive of stored entries, with tensors aligned to 64 bytes.
///
/// Equal objects give equal bytes: entries have no times, and the archive's folder is always `archive/`.
enum PyTorchWriter {
    /// Writes an object under a temporary name, and renames it when it is complete.
    ///
    /// - Parameters:
    ///   - object: The result of `torch.load`; `state` makes its tensors.
    ///   - tensors: The data of its tensors, each under its index.
    ///   - url: The file; its folder must exist.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    static func write(_ object: PickledValue, tensors: [Tensor], to url: URL) throws {
        try AtomicFile.write(to: url) { file in
            var zip = ZipWriter()
            try zip.add("archive/data.pkl", PickleWriter.data(object), file)
            try zip.add("archive/byteorder", Data("little".utf8), file)
            for (index, tensor) in tensors.enumerated() {
                // One tensor at a time is copied to the host, and only if it is not contiguous there.
                try tensor.detached().to(device: .cpu).contiguous().withUnsafeMutableBytes {
                    try zip.add("archive/data/\(index)", UnsafeRawBufferPointer($0), file)
                }
            }
            try zip.add("archive/version", Data("3\n".utf8), file)
            try zip.finish(file)
        }
    }

    /// Returns a state dictionary of tensors, and adds their data.
    ///
    /// - Parameters:
    ///   - state: Tensors by name; identical tensors are stored once.
    ///   - data: The data so far, to which that of these tensors is added.
    /// - Returns: The dictionary, names in the order of their UTF-8 bytes, its tensors numbered as in the data.
    static func dictionary(_ state: [String: Tensor], _ data: inout [Tensor]) -> PickledValue {
        var members: [(key: String, value: PickledValue)] = []
        for (name, tensor) in state.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            let index = data.firstIndex { $0.isIdentical(to: tensor) } ?? data.count
            if index == data.count { data.append(tensor) }
            members.append((name, .tensor(tensor, storage: index)))
        }
        return .dictionary(members)
    }
}

/// Writes a zip archive of stored entries sequentially, with 64-bit sizes where they are needed.
struct ZipWriter {
    private struct Entry {
        var name: String
        var checksum: UInt32
        var size: Int
        var offset: Int
    }

    private var entries: [Entry] = []

    /// Entries' content starts at a multiple of this, so that tensors can be used in the mapped file.
    private static let alignment = 64

    /// Appends an entry.
    ///
    /// - Parameter file: Where the archive is being written.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    mutating func add(_ name: String, _ content: some ContiguousBytes, _ file: AtomicFile) throws {
        try content.withUnsafeBytes { bytes in try add(name, bytes, file) }
    }

    /// Appends an entry.
    ///
    /// - Parameter file: Where the archive is being written.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    mutating func add(_ name: String, _ content: UnsafeRawBufferPointer, _ file: AtomicFile) throws {
        var checksum = CRC32()
        checksum.add(content)
        let entry = Entry(name: name, checksum: checksum.value, size: content.count, offset: file.written)
        entries.append(entry)
        // The local header has 30 bytes; an extra field named FB, like PyTorch's, pads the content to its alignment.
        let large = entry.size >= 0xFFFF_FFFF
        var extra = Data()
        if large { extra.append(Self.field(1, [entry.size, entry.size])) }
        let start = file.written + 30 + name.utf8.count + extra.count + 4
        let padding = (Self.alignment - start % Self.alignment) % Self.alignment
        extra.append(Self.little(UInt16(0x4246), UInt16(padding)))
        extra.append(contentsOf: repeatElement(UInt8(ascii: "Z"), count: padding))
        let size = large ? 0xFFFF_FFFF : UInt32(entry.size)
        var header = Self.little(UInt32(0x0403_4B50), UInt16(large ? 45 : 20), UInt16(0), UInt16(0), UInt32(0))
        header.append(Self.little(entry.checksum, size, size, UInt16(name.utf8.count), UInt16(extra.count)))
        header.append(contentsOf: name.utf8)
        header.append(extra)
        try file.append(header)
        try file.append(content)
    }

    /// Appends the directory.
    ///
    /// - Parameter file: Where the archive is being written.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    func finish(_ file: AtomicFile) throws {
        let start = file.written
        for entry in entries {
            var large: [Int] = []
            if entry.size >= 0xFFFF_FFFF { large += [entry.size, entry.size] }
            if entry.offset >= 0xFFFF_FFFF { large.append(entry.offset) }
            let extra = large.isEmpty ? Data() : Self.field(1, large)
            let size = UInt32(clamping: entry.size)
            let version = UInt16(large.isEmpty ? 20 : 45)
            var record = Self.little(UInt32(0x0201_4B50), version, version, UInt16(0), UInt16(0), UInt32(0))
            record.append(Self.little(entry.checksum, size, size, UInt16(entry.name.utf8.count), UInt16(extra.count)))
            record.append(Self.little(UInt16(0), UInt16(0), UInt16(0), UInt32(0), UInt32(clamping: entry.offset)))
            record.append(contentsOf: entry.name.utf8)
            record.append(extra)
            try file.append(record)
        }
        let size = file.written - start
        if start >= 0xFFFF_FFFF || entries.count >= 0xFFFF {
            let end = file.written
            var record = Self.little(UInt32(0x0606_4B50), UInt64(44), UInt16(45), UInt16(45), UInt32(0), UInt32(0))
            record.append(Self.little(UInt64(entries.count), UInt64(entries.count), UInt64(size), UInt64(start)))
            record.append(Self.little(UInt32(0x0706_4B50), UInt32(0), UInt64(end), UInt32(1)))
            try file.append(record)
        }
        let count = UInt16(clamping: entries.count)
        var end = Self.little(UInt32(0x0605_4B50), UInt16(0), UInt16(0), count, count)
        end.append(Self.little(UInt32(clamping: size), UInt32(clamping: start), UInt16(0)))
        try file.append(end)
    }

    private static func field(_ identifier: UInt16, _ numbers: [Int]) -> Data {
        var data = little(identifier, UInt16(8 * numbers.count))
        for number in numbers { data.append(little(UInt64(number))) }
        return data
    }

    private static func little<each Number: FixedWidthInteger>(_ numbers: repeat each Number) -> Data {
        var data = Data()
        for number in repeat each numbers { withUnsafeBytes(of: number.littleEndian) { data.append(contentsOf: $0) } }
        return data
    }
}
