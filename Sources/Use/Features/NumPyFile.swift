import Foundation
import W2VBase
import W2VTorch

/// NumPy's `.npy` files: one array, little-endian, row-major.
///
/// Source: NumPy's format description, version 1.0.
public enum NumPyFile {
    /// The element types of features.
    public enum Element: String, Sendable, Codable, CaseIterable {
        /// Single precision.
        case float32
        /// Half precision: half the size, three decimal digits.
        case float16

        var dtype: DType { self == .float32 ? .float32 : .float16 }
        var itemSize: Int { dtype.itemSize }
        fileprivate var code: String { self == .float32 ? "<f4" : "<f2" }
    }

    /// Returns the bytes before the elements.
    static func header(shape: [Int], _ element: Element) -> Data {
        // A shape of one dimension ends with a comma, as Python's tuples do.
        let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
        var text = "{'descr': '\(element.code)', 'fortran_order': False, 'shape': (\(sizes)), }"
        let length = 10 + text.utf8.count + 1
        text += String(repeating: " ", count: (64 - length % 64) % 64) + "\n"
        var data = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0])
        data.append(UInt8(text.utf8.count & 0xFF))
        data.append(UInt8(text.utf8.count >> 8))
        return data + Data(text.utf8)
    }

    /// Returns the bytes of a file.
    ///
    /// - Parameters:
    ///   - tensor: The array.
    ///   - element: The type of its elements in the file.
    /// - Throws: `TorchError` when memory is short.
    public static func data(_ tensor: Tensor, as element: Element = .float32) throws -> Data {
        let tensor = try tensor.detached().to(dtype: element.dtype, device: .cpu).contiguous()
        return try header(shape: tensor.shape, element)
            + tensor.withUnsafeMutableBytes { Data(UnsafeRawBufferPointer($0)) }
    }

    /// Writes a tensor; replaces an old file only with a complete new one.
    ///
    /// - Parameters:
    ///   - tensor: The array.
    ///   - element: The type of its elements in the file.
    ///   - url: The file; its folder must exist.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public static func write(_ tensor: Tensor, as element: Element = .float32, to url: URL) throws {
        try AtomicFile.write(to: url) { file in
            try file.append(header(shape: tensor.shape, element))
            try tensor.detached().to(dtype: element.dtype, device: .cpu).contiguous().withUnsafeMutableBytes {
                try file.append(UnsafeRawBufferPointer($0))
            }
        }
    }

    /// Reads an array from a file that this program or NumPy wrote.
    ///
    /// - Parameter url: The file.
    /// - Returns: The array.
    /// - Throws: ``FeatureError/damaged(file:reason:)``; `MappedFile.Failure` when there is no such file.
    public static func read(_ url: URL) throws -> Tensor {
        let file = try MappedFile(path: url.path)
        let (shape, element, start) = try parse(file, path: url.path)
        let tensor = try Tensor.empty(shape, dtype: element.dtype)
        try tensor.withUnsafeMutableBytes { memory in
            memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: file.bytes[start...]))
        }
        return tensor
    }

    /// Reads the shape of a complete file's array.
    ///
    /// - Parameter url: The file.
    /// - Returns: The dimensions and the type of the elements.
    /// - Throws: The errors of ``read(_:)``.
    public static func shape(_ url: URL) throws -> (shape: [Int], element: Element) {
        let (shape, element, _) = try parse(MappedFile(path: url.path), path: url.path)
        return (shape, element)
    }

    private static func parse(_ file: MappedFile, path: String) throws -> (shape: [Int], Element, start: Int) {
        func damaged(_ reason: String) -> FeatureError { .damaged(file: path, reason: reason) }
        let bytes = file.bytes
        guard bytes.count >= 10, bytes[0] == 0x93, bytes[1..<6].elementsEqual("NUMPY".utf8), bytes[6] == 1 else {
            throw damaged("it is not a .npy file of version 1")
        }
        let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        guard start <= bytes.count else { throw damaged("it ends within its header") }
        let text = String(decoding: bytes[10..<start], as: UTF8.self)
        guard let element = Element.allCases.first(where: { text.contains("'descr': '\($0.code)'") }),
            text.contains("'fortran_order': False"),
            let open = text.firstIndex(of: "("), let close = text[open...].firstIndex(of: ")")
        else { throw damaged("it holds no FP32 or FP16 numbers row by row") }
        var shape: [Int] = []
        var count = element.itemSize
        for part in text[text.index(after: open)..<close].split(separator: ",") {
            let digits = part.filter { $0 != " " }
            guard !digits.isEmpty else { continue }
            guard let size = FeatureLayer.number(digits) else { throw damaged("its shape makes no sense") }
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow else { throw damaged("its shape makes no sense") }
            shape.append(size)
            count = product
        }
        guard bytes.count - start == count else {
            throw damaged("its shape \(shape) needs \(count) bytes, and it has \(bytes.count - start)")
        }
        return (shape, element, start)
    }
}
