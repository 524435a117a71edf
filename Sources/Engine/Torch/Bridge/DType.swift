/// Element types of tensors, with LibTorch's numbers.
public enum DType: Int32, Sendable, CaseIterable, CustomStringConvertible {
    case uint8 = 0
    case int8 = 1
    case int16 = 2
    case int32 = 3
    case int64 = 4
    case float16 = 5
    case float32 = 6
    case float64 = 7
    case bool = 11
    case bfloat16 = 15

    /// The bytes of one element.
    public var itemSize: Int {
        switch self {
        case .uint8, .int8, .bool: return 1
        case .int16, .float16, .bfloat16: return 2
        case .int32, .float32: return 4
        case .int64, .float64: return 8
        }
    }

    /// Whether elements are floating-point numbers, which can have gradients.
    public var isFloatingPoint: Bool {
        switch self {
        case .float16, .float32, .float64, .bfloat16: return true
        default: return false
        }
    }

    /// Whether elements are floating-point numbers of 16 bits.
    public var isHalfPrecision: Bool { self == .float16 || self == .bfloat16 }

    /// The type in the words of tensor files: `float32`.
    public var description: String {
        switch self {
        case .uint8: return "uint8"
        case .int8: return "int8"
        case .int16: return "int16"
        case .int32: return "int32"
        case .int64: return "int64"
        case .float16: return "float16"
        case .float32: return "float32"
        case .float64: return "float64"
        case .bool: return "bool"
        case .bfloat16: return "bfloat16"
        }
    }
}

/// A Swift type that can be a tensor's element.
public protocol TensorElement: Sendable {
    /// The element type of a tensor of such values.
    static var dtype: DType { get }
}

extension Float: TensorElement {
    /// The element type of the library.
    public static var dtype: DType { .float32 }
}

extension Double: TensorElement {
    /// The element type of the library.
    public static var dtype: DType { .float64 }
}

extension Int64: TensorElement {
    /// The element type of the library.
    public static var dtype: DType { .int64 }
}

extension Int: TensorElement {
    /// The element type of the library.
    public static var dtype: DType { .int64 }
}

extension Int32: TensorElement {
    /// The element type of the library.
    public static var dtype: DType { .int32 }
}

extension UInt8: TensorElement {
    /// The element type of the library.
    public static var dtype: DType { .uint8 }
}

extension Bool: TensorElement {
    /// The element type of the library.
    public static var dtype: DType { .bool }
}
