import W2VTorch

/// The type of the elements behind an address, in the source text and in tensors.
struct KernelElement: Sendable {
    /// The type in the source text; `T` is the number format that the kernel was compiled for.
    let text: String
    /// The tensors' element type; nil for the format's.
    let dtype: DType?

    /// The kernel's format, FP32, FP16 or BF16: there is one kernel for each.
    static let format = KernelElement(text: "T", dtype: nil)
    static let float = KernelElement(text: "float", dtype: .float32)
    static let double = KernelElement(text: "double", dtype: .float64)
    static let int64 = KernelElement(text: "int64", dtype: .int64)
    static let int32 = KernelElement(text: "int", dtype: .int32)
    /// The number that a seed is an offset to.
    static let seed = KernelElement(text: "uint64", dtype: .int64)
    static let truth = KernelElement(text: "unsigned char", dtype: .bool)
    /// Bytes, accessed four at a time.
    static let fourBytes = KernelElement(text: "uint32", dtype: .uint8)
}

/// The value of one argument in one launch.
enum KernelArgument {
    /// The address of a tensor's first element, or nothing.
    case address(Tensor?)
    /// The bits of a number.
    case number(UInt64)
}

/// One parameter of a kernel: its declaration in the source text, and the source of its argument in a launch.
struct KernelParameter<Kernel>: Sendable {
    /// The name in the source text.
    let name: String
    /// The type in the source text: `const T *`.
    let type: String
    /// The type of the elements behind the address, if it is one.
    let element: KernelElement?
    /// Whether the kernel writes there.
    let isWritten: Bool
    /// Returns the argument of a launch.
    let argument: @Sendable (Kernel) -> KernelArgument

    private static func address(
        _ name: String, _ element: KernelElement, isRead: Bool, _ tensor: @escaping @Sendable (Kernel) -> Tensor?
    ) -> Self {
        Self(
            name: name, type: (isRead ? "const " : "") + element.text + " *", element: element, isWritten: !isRead
        ) {
            .address(tensor($0))
        }
    }

    private static func number(
        _ name: String, _ type: String, _ bits: @escaping @Sendable (Kernel) -> UInt64
    ) -> Self {
        Self(name: name, type: type, element: nil, isWritten: false) { .number(bits($0)) }
    }

    /// Declares a tensor that the kernel reads; a null pointer where it is nil.
    static func reads(
        _ name: String, as element: KernelElement = .format, _ tensor: @escaping @Sendable (Kernel) -> Tensor?
    ) -> Self { address(name, element, isRead: true, tensor) }

    /// Declares a tensor that the kernel writes; a null pointer where it is nil.
    static func writes(
        _ name: String, as element: KernelElement = .format, _ tensor: @escaping @Sendable (Kernel) -> Tensor?
    ) -> Self { address(name, element, isRead: false, tensor) }

    static func int64(_ name: String, _ value: @escaping @Sendable (Kernel) -> Int) -> Self {
        number(name, "int64") { UInt64(bitPattern: Int64(value($0))) }
    }

    static func int32(_ name: String, _ value: @escaping @Sendable (Kernel) -> Int) -> Self {
        number(name, "int") { UInt64(UInt32(bitPattern: Int32(value($0)))) }
    }

    static func uint32(_ name: String, _ value: @escaping @Sendable (Kernel) -> UInt32) -> Self {
        number(name, "uint32") { UInt64(value($0)) }
    }

    static func uint64(_ name: String, _ value: @escaping @Sendable (Kernel) -> UInt64) -> Self {
        number(name, "uint64", value)
    }

    static func float(_ name: String, _ value: @escaping @Sendable (Kernel) -> Double) -> Self {
        number(name, "float") { UInt64(Float(value($0)).bitPattern) }
    }

    static func double(_ name: String, _ value: @escaping @Sendable (Kernel) -> Double) -> Self {
        number(name, "double") { value($0).bitPattern }
    }
}
