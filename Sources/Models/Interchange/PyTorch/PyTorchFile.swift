import Foundation
import W2VBase
import W2VTorch

/// A file of `torch.save`: a pickle and the data of its tensors, mapped into memory.
///
/// Two containers are supported: the zip archive of PyTorch 1.6 and later, and the earlier sequence of pickles. Nothing
/// in the file is executed, and tensors stay in the file until they are used.
final class PyTorchFile {
    /// The kind of container.
    enum Container: String {
        case zip
        case legacy
    }

    let path: String
    let container: Container
    /// The saved object.
    let root: PickleReference

    private let mapping: MappedFile
    /// The range of each storage's data in the file.
    private let storages: [String: Range<Int>]

    /// The maximum size of a real checkpoint's pickle in bytes: those of the largest models have a few megabytes.
    private static let largestPickle = 64 << 20

    private static func isZip(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.starts(with: [0x50, 0x4B]) }

    /// Returns whether a file begins with the pickle of the legacy format's magic number 0x1950A86A20F9469CFC6C, at any
    /// protocol.
    private static func isLegacy(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        guard bytes.first == 0x80, let document = try? Unpickler.read(bytes, at: &position) else { return false }
        guard case .long(let magic) = document.root.value else { return false }
        return magic == [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
    }

    private static func isTar(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count > 262 && bytes[257..<262].elementsEqual("ustar".utf8)
    }

    /// Maps a file and reads its pickle.
    ///
    /// - Throws: ``CheckpointError`` for a file that is incomplete or of another kind; `MappedFile.Failure` when it
    ///   cannot be opened.
    init(_ url: URL) throws {
        path = url.path
        mapping = try MappedFile(path: url.path, isWritable: true)
        let bytes = mapping.bytes
        do throws(FileDamage) {
            if Self.isZip(bytes) {
                container = .zip
                (root, storages) = try Self.openZip(bytes)
            } else if Self.isLegacy(bytes) {
                container = .legacy
                (root, storages) = try Self.openLegacy(bytes)
            } else if Self.isTar(bytes) {
                throw FileDamage("it is a tar file of a PyTorch before 0.1.10: load and save it with a newer one")
            } else {
                throw FileDamage("it is not a file that torch.save wrote, or its beginning is damaged")
            }
        } catch {
            throw CheckpointError.damaged(path: url.path, reason: error.reason)
        }
    }

    // MARK: Containers

    private static func openZip(
        _ bytes: UnsafeRawBufferPointer
    ) throws(FileDamage) -> (PickleReference, [String: Range<Int>]) {
        let archive = try ZipArchive(bytes)
        let pickles = archive.entries.keys.filter { $0.hasSuffix("/data.pkl") && $0.split(separator: "/").count == 2 }
        guard pickles.count == 1, let name = pickles.first, let range = archive.entries[name] else {
            throw FileDamage("it is a zip archive without the data.pkl of torch.save")
        }
        let folder = name.dropLast("data.pkl".count)
        guard archive.entries[folder + "constants.pkl"] == nil else {
            throw FileDamage("it is a TorchScript program and not a checkpoint: save the model's state instead")
        }
        if let order = archive.entries[folder + "byteorder"], !bytes[order].elementsEqual("little".utf8) {
            throw FileDamage("its numbers are big-endian: save it on a little-endian machine")
        }
        guard range.count <= largestPickle else {
            throw FileDamage("its data.pkl has \(range.count) bytes, where \(largestPickle) is the most allowed")
        }
        guard archive.isIntact(name, in: bytes) else {
            throw FileDamage("its data.pkl does not have the checksum that it was saved with: fetch it again")
        }
        var position = 0
        let document = try Unpickler.read(UnsafeRawBufferPointer(rebasing: bytes[range]), at: &position)
        var storages: [String: Range<Int>] = [:]
        for (entry, range) in archive.entries where entry.hasPrefix(folder + "data/") {
            storages[String(entry.dropFirst(folder.count + "data/".count))] = range
        }
        return (document.root, storages)
    }

    /// Opens a legacy file: magic number, protocol, system, object, storages' names, each a pickle; then each storage's
    /// count and data.
    private static func openLegacy(
        _ bytes: UnsafeRawBufferPointer
    ) throws(FileDamage) -> (PickleReference, [String: Range<Int>]) {
        var position = 0
        _ = try Unpickler.read(bytes, at: &position)
        guard try Unpickler.read(bytes, at: &position).root.integer == 1001 else {
            throw FileDamage("it is of an unknown version of PyTorch's old format; 1001 is expected")
        }
        let system = try Unpickler.read(bytes, at: &position).root
        guard system["little_endian"]?.bool ?? true else {
            throw FileDamage("its numbers are big-endian: save it on a little-endian machine")
        }
        let document = try Unpickler.read(bytes, at: &position)
        let names = try Unpickler.read(bytes, at: &position).root
        var itemSizes: [String: Int] = [:]
        for storage in document.storages { itemSizes[storage.key] = try ElementType(storage.type).itemSize }
        var storages: [String: Range<Int>] = [:]
        var reader = try ByteReader(bytes, at: position, "the tensors' data")
        for name in names.items ?? [] {
            guard let key = name.string ?? name.integer.map(String.init), let size = itemSizes[key] else {
                throw FileDamage("it has the data of a storage that no tensor looks into")
            }
            let count = try reader.integer(Int64.self)
            let (length, overflow) = Int(count).multipliedReportingOverflow(by: size)
            guard count >= 0, !overflow else { throw FileDamage("its storage \(key) claims \(count) elements") }
            let start = reader.position
            _ = try reader.take(length)
            storages[key] = start..<start + length
        }
        return (document.root, storages)
    }

    // MARK: Tensors

    /// Returns a tensor's elements, in place in the file if possible.
    ///
    /// - Parameter name: Its name in errors.
    /// - Returns: The tensor, which must not be written to.
    /// - Throws: ``CheckpointError`` if it exceeds its data or has an unsupported element type.
    func tensor(_ description: PickleTensor, _ name: String) throws -> Tensor {
        func damaged(_ reason: String) -> CheckpointError {
            .damaged(path: path, reason: "tensor \(name) \(reason)")
        }
        let type: ElementType
        do throws(FileDamage) {
            type = try ElementType(description.type ?? description.storage.type)
        } catch {
            throw damaged("cannot be read: \(error.reason)")
        }
        guard let dtype = type.dtype else {
            throw damaged("has elements of type \(type.name), which is not supported: convert it to float32 first")
        }
        guard let range = storages[description.storage.key] else {
            throw damaged("has no data: storage \(description.storage.key) is missing from the file")
        }
        guard let place = description.place(itemSize: dtype.itemSize, available: range.count) else {
            throw damaged(
                "of shape \(description.shape) reaches beyond its data, or its elements overlap: "
                    + "its storage \(description.storage.key) has \(range.count) bytes")
        }
        guard place.count > 0, let base = mapping.bytes.baseAddress else {
            return try .zeros(description.shape, dtype: dtype)
        }
        let start = base + range.lowerBound + place.start
        var flat: Tensor
        if Int(bitPattern: start) % dtype.itemSize == 0 {
            flat = try Tensor(sharing: start, shape: [place.span], dtype: dtype, owner: mapping)
        } else {
            // Old files align nothing.
            flat = try .empty([place.span], dtype: dtype)
            try flat.withUnsafeMutableBytes {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: start, count: place.span * dtype.itemSize))
            }
        }
        return try flat.viewed(description.shape, strides: description.strides, from: 0)
    }

    /// Returns the tensors of a dictionary by name.
    ///
    /// - Parameters:
    ///   - dictionary: A state dictionary of the file.
    ///   - what: Its name in errors: "model".
    /// - Returns: Its tensors, without other entries such as PyTorch's counters and metadata.
    /// - Throws: The errors of ``tensor(_:_:)``.
    func tensors(_ dictionary: PickleReference, _ what: String) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (key, value) in dictionary.members ?? [] {
            if let description = value.tensor { result[key] = try tensor(description, "\(what).\(key)") }
        }
        return result
    }
}

/// The element type of a storage or tensor by PyTorch's name.
struct ElementType {
    let name: String
    let itemSize: Int
    /// The matching type of tensors here; nil for types that are only counted.
    let dtype: DType?

    private static let known: [String: (size: Int, dtype: DType?)] = [
        "Float": (4, .float32), "Double": (8, .float64), "Half": (2, .float16), "BFloat16": (2, .bfloat16),
        "Long": (8, .int64), "Int": (4, .int32), "Short": (2, .int16), "Char": (1, .int8), "Byte": (1, .uint8),
        "Bool": (1, .bool), "ComplexDouble": (16, nil), "ComplexFloat": (8, nil), "QInt8": (1, nil),
        "QUInt8": (1, nil), "QInt32": (4, nil), "Untyped": (1, nil),
        "float32": (4, .float32), "float64": (8, .float64), "float16": (2, .float16), "bfloat16": (2, .bfloat16),
        "int64": (8, .int64), "int32": (4, .int32), "int16": (2, .int16), "int8": (1, .int8), "uint8": (1, .uint8),
        "bool": (1, .bool), "uint16": (2, nil), "uint32": (4, nil), "uint64": (8, nil), "complex64": (8, nil),
        "complex128": (16, nil), "float8_e4m3fn": (1, nil), "float8_e5m2": (1, nil),
    ]

    init(_ name: String) throws(FileDamage) {
        let short = name.hasSuffix("Storage") ? String(name.dropLast("Storage".count)) : name
        guard let known = Self.known[short] else { throw FileDamage("\(name) is no type of elements that is known") }
        (self.name, itemSize, dtype) = (short, known.size, known.dtype)
    }
}

extension PickleTensor {
    /// Returns the place of the elements in the storage's data: the first byte, the number of elements, and the span
    /// that they cover.
    ///
    /// Nil if they exceed the data or overlap.
    fileprivate func place(itemSize: Int, available: Int) -> (start: Int, count: Int, span: Int)? {
        guard shape.count == strides.count, offset >= 0 else { return nil }
        var count = 1
        var last = 0
        for (size, step) in zip(shape, strides) {
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            let (reach, tooFar) = max(0, size - 1).multipliedReportingOverflow(by: step)
            let (sum, beyond) = last.addingReportingOverflow(reach)
            guard !overflow, !tooFar, !beyond else { return nil }
            (count, last) = (product, sum)
        }
        let (first, overflow) = offset.addingReportingOverflow(storage.offset)
        guard count > 0 else { return (0, 0, 0) }
        let (end, beyond) = first.addingReportingOverflow(last)
        guard !overflow, !beyond, end < available / itemSize, count <= last + 1 else { return nil }
        // An untyped storage counts bytes; that of a typed one must contain all elements of the tensor.
        guard type != nil || offset + last < storage.count else { return nil }
        return (first * itemSize, count, last + 1)
    }
}

extension PickleDocument {
    /// All storages that the pickle refers to.
    var storages: [PickleStorage] {
        nodes.compactMap { node in
            guard case .storage(let storage) = node.kind else { return nil }
            return storage
        }
    }
}
