import Foundation
import W2VBase

/// A tensor to be written, whose bytes are provided on demand.
public struct SafetensorsTensor {
    /// The tensor's name; `__metadata__` is reserved.
    public var name: String
    /// The elements' type.
    public var type: SafetensorsType
    /// The dimensions; none for a scalar.
    public var shape: [Int]
    /// A closure that passes the bytes to its argument, in one piece or several.
    public var provider: (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

    /// Makes a tensor whose bytes come from a closure.
    ///
    /// - Parameters:
    ///   - shape: The dimensions; none for a scalar.
    ///   - provider: Passes on the bytes, little-endian and row by row, in one piece or several. A tensor of another
    ///     device is copied to memory here, so that only one copy exists at a time.
    public init(
        name: String, type: SafetensorsType, shape: [Int],
        provider: @escaping (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) {
        self.name = name
        self.type = type
        self.shape = shape
        self.provider = provider
    }

    /// Makes a tensor from bytes in memory.
    ///
    /// - Parameters:
    ///   - shape: The dimensions; none for a scalar.
    ///   - bytes: The elements, little-endian and row by row.
    public init(name: String, type: SafetensorsType, shape: [Int], bytes: some ContiguousBytes) {
        self.init(name: name, type: type, shape: shape) { write in try bytes.withUnsafeBytes(write) }
    }
}

/// A writer of safetensors files.
///
/// Equal tensors give equal bytes: types with larger items come first, so that every tensor is aligned to its item
/// size, and within one item size names are in the order of their UTF-8 bytes. The header is padded with spaces to a
/// multiple of eight bytes.
public enum SafetensorsWriter {
    /// Writes a file under a temporary name, syncs it and its folder, and renames it.
    ///
    /// - Parameters:
    ///   - tensors: The tensors in any order.
    ///   - url: The file; its folder must exist. An old file is replaced only by a complete new one.
    /// - Throws: `SafetensorsError.unwritable` when a name, shape or byte count is wrong, `FileWriteError` when the
    ///   disk is full or the system fails, and any error of a provider.
    public static func write(
        _ tensors: [SafetensorsTensor], metadata: [String: String] = [:], to url: URL
    ) throws {
        let ordered = tensors.sorted { left, right in
            left.type.itemSize != right.type.itemSize
                ? left.type.itemSize > right.type.itemSize
                : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
        }
        let header = try header(ordered, metadata: metadata, path: url.path)
        try AtomicFile.write(to: url) { file in
            try withUnsafeBytes(of: UInt64(header.count).littleEndian) { bytes in try file.append(bytes) }
            try file.append(header)
            for tensor in ordered {
                let start = file.written
                try tensor.provider { bytes in try file.append(bytes) }
                guard file.written - start == tensor.type.byteCount(shape: tensor.shape) else {
                    throw SafetensorsError.unwritable(
                        path: url.path,
                        reason: "tensor \"\(tensor.name)\" of shape \(tensor.shape) and type \(tensor.type.rawValue) "
                            + "came with \(file.written - start) bytes")
                }
            }
        }
    }

    /// Returns the padded header, after checks that ensure that the file can be read back.
    private static func header(
        _ tensors: [SafetensorsTensor], metadata: [String: String], path: String
    ) throws(SafetensorsError) -> Data {
        var names: Set<String> = []
        var members: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                .map { "\($0.key.jsonQuoted):\($0.value.jsonQuoted)" }
            members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        var offset = 0
        for tensor in tensors {
            guard tensor.name != "__metadata__", names.insert(tensor.name).inserted else {
                throw .unwritable(
                    path: path, reason: "the tensor name \"\(tensor.name)\" occurs twice or is reserved; rename one")
            }
            guard let size = tensor.type.byteCount(shape: tensor.shape),
                case let (end, overflow) = offset.addingReportingOverflow(size), !overflow
            else {
                throw .unwritable(
                    path: path, reason: "tensor \"\(tensor.name)\" has the impossible shape \(tensor.shape)")
            }
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            members.append(
                "\(tensor.name.jsonQuoted):{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var header = Data("{\(members.joined(separator: ","))}".utf8)
        header.append(contentsOf: repeatElement(0x20, count: (8 - header.count % 8) % 8))
        guard header.count <= SafetensorsHeader.largest else {
            throw .unwritable(
                path: path,
                reason: "the header would take \(header.count) bytes where \(SafetensorsHeader.largest) is the most")
        }
        return header
    }
}
