import CW2VLibTorch

/// Owns one reference to a LibTorch tensor.
///
/// `@unchecked Sendable` is safe within LibTorch's guarantees: the pointer never changes, reference counts are atomic,
/// and reading a tensor from several threads is allowed. Operations that write into a tensor (their names end in
/// `InPlace`, `copy`, or they set data or gradients) require the caller to be its only user at that time, as with any
/// shared buffer.
final class TensorHandle: @unchecked Sendable {
    let raw: ct_tensor

    init(adopting raw: ct_tensor) {
        self.raw = raw
    }

    deinit {
        ct_tensor_release(raw)
    }
}

/// A multi-dimensional array on a device, with automatic differentiation.
///
/// A value is a cheap reference: copying it copies no elements. Every operation throws `TorchError` with the operator's
/// name and the shapes when arguments do not fit, so one `try` covers an expression: `try (x.matmul(w) + b).tanh()`.
public struct Tensor: Sendable {
    private let owner: TensorHandle

    init(adopting raw: ct_tensor) {
        owner = TensorHandle(adopting: raw)
    }

    var handle: ct_tensor { owner.raw }

    /// Keeps the tensor alive while `body` uses its raw handle.
    func withHandle<Result>(_ body: (ct_tensor) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(owner) { try body(owner.raw) }
    }

    // MARK: Metadata

    /// The sizes of all dimensions.
    public var shape: [Int] {
        withHandle { raw in (0..<ct_tensor_dimensions(raw)).map { Int(ct_tensor_size(raw, $0)) } }
    }

    /// The strides of all dimensions, in elements.
    public var strides: [Int] {
        withHandle { raw in (0..<ct_tensor_dimensions(raw)).map { Int(ct_tensor_stride(raw, $0)) } }
    }

    /// The number of dimensions.
    public var rank: Int { withHandle { Int(ct_tensor_dimensions($0)) } }

    /// Returns the size of one dimension; negative numbers count from the last.
    public func size(_ dimension: Int) -> Int {
        withHandle { raw in
            let rank = Int(ct_tensor_dimensions(raw))
            let index = dimension < 0 ? dimension + rank : dimension
            precondition(index >= 0 && index < rank, "dimension \(dimension) of a tensor of shape \(shape)")
            return Int(ct_tensor_size(raw, Int64(index)))
        }
    }

    /// The number of elements.
    public var count: Int { withHandle { Int(ct_tensor_element_count($0)) } }

    /// The element type.
    public var dtype: DType { withHandle { DType(rawValue: ct_tensor_dtype($0)) ?? .uint8 } }

    /// The device of the tensor.
    public var device: Device { withHandle { Device(packed: ct_tensor_device($0)) } }

    /// Whether the elements lie one after the other, the last dimension fastest.
    public var isContiguous: Bool { withHandle { ct_tensor_is_contiguous($0) } }

    /// Returns whether both values are the same tensor, not merely equal ones.
    public func isIdentical(to other: Tensor) -> Bool { handle == other.handle }
}

extension Tensor: CustomStringConvertible {
    /// Type, shape and device: `float32[2, 3]`.
    public var description: String {
        "\(dtype)\(shape)" + (device == .cpu ? "" : "@\(device)")
    }
}
