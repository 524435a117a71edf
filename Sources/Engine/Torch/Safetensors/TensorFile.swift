import Foundation

/// Reading and writing of tensors in safetensors files.
public enum TensorFile {
    /// Opens a file without copying: the tensors use the mapped memory, and changing them does not change the file.
    ///
    /// - Throws: `SafetensorsError` for a damaged file or an element type that tensors do not support.
    public static func read(_ url: URL) throws -> [String: Tensor] {
        let file = try SafetensorsFile(url)
        var tensors: [String: Tensor] = [:]
        for entry in file.entries {
            guard let dtype = dtypes[entry.type] else {
                throw TorchError.state(
                    "\(url.path): tensor \(entry.name) has elements of type \(entry.type.rawValue), which is not supported; "
                        + "convert it to F32 first")
            }
            let bytes = file.bytes(of: entry)
            guard let base = bytes.baseAddress else {
                tensors[entry.name] = try Tensor.zeros(entry.shape, dtype: dtype)
                continue
            }
            if Int(bitPattern: base) % dtype.itemSize == 0 {
                tensors[entry.name] = try Tensor(sharing: base, shape: entry.shape, dtype: dtype, owner: file)
            } else {
                // Other programs' files may leave a tensor unaligned.
                let copy = try Tensor.empty(entry.shape, dtype: dtype)
                try copy.withUnsafeMutableBytes { $0.copyMemory(from: bytes) }
                tensors[entry.name] = copy
            }
        }
        return tensors
    }

    /// Writes tensors; the old file stays until the new one is complete.
    ///
    /// - Parameter tensors: By name, on any device.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public static func write(_ tensors: [String: Tensor], metadata: [String: String] = [:], to url: URL) throws {
        let entries = try tensors.map { name, tensor in
            guard let type = SafetensorsType(tensor.dtype) else {
                throw TorchError.state("\(url.path): tensor \(name) of type \(tensor.dtype) cannot be written")
            }
            return SafetensorsTensor(name: name, type: type, shape: tensor.shape) { write in
                try tensor.detached().to(device: .cpu).contiguous().withUnsafeMutableBytes {
                    try write(UnsafeRawBufferPointer($0))
                }
            }
        }
        try SafetensorsWriter.write(entries, metadata: metadata, to: url)
    }

    fileprivate static let dtypes: [SafetensorsType: DType] = [
        .bool: .bool, .uint8: .uint8, .int8: .int8, .int16: .int16, .int32: .int32, .int64: .int64,
        .float16: .float16, .bfloat16: .bfloat16, .float32: .float32, .float64: .float64,
    ]
}

extension SafetensorsType {
    /// Makes the file type that matches an element type; nil where the format has none.
    public init?(_ dtype: DType) {
        guard let found = TensorFile.dtypes.first(where: { $0.value == dtype })?.key else { return nil }
        self = found
    }
}
