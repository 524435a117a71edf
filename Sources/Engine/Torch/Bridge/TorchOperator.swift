import CW2VLibTorch

/// The order of a tensor's elements in memory.
public enum MemoryFormat: Int, Sendable {
    case contiguous = 0
    case preserve = 1
}

/// An instance of one of LibTorch's custom classes, passed from operator to operator unopened.
///
/// `@unchecked Sendable` is safe: the handle never changes and LibTorch counts references atomically.
public final class TorchObject: @unchecked Sendable {
    let handle: ct_object

    init(adopting handle: ct_object) {
        self.handle = handle
    }

    deinit {
        ct_object_release(handle)
    }
}

/// A LibTorch operator, found once by name and overload and called with tagged values.
///
///     static let add = TorchOperator("aten::add", "Tensor")
///     let sum = try add(.tensor(a), .tensor(b))
///
/// `@unchecked Sendable` is safe: the handle is immutable and LibTorch's dispatcher may be used from any thread.
public final class TorchOperator: @unchecked Sendable {
    /// One argument of an operator call.
    public enum Argument {
        case none
        case tensor(Tensor)
        case int(Int)
        case double(Double)
        case bool(Bool)
        case string(String)
        case ints([Int])
        case doubles([Double])
        case bools([Bool])
        case tensors([Tensor])
        case optionalTensors([Tensor?])
        case dtype(DType)
        case device(Device)
        case memoryFormat(MemoryFormat)
        case generator(Generator)
        case object(TorchObject)

        /// A tensor, or nothing.
        public static func optional(_ tensor: Tensor?) -> Argument {
            tensor.map(Argument.tensor) ?? .none
        }

        /// A generator, or the default one.
        public static func optional(_ generator: Generator?) -> Argument {
            generator.map(Argument.generator) ?? .none
        }
    }

    /// One result of an operator call.
    public enum Value: Sendable {
        case none
        case tensor(Tensor)
        case int(Int)
        case double(Double)
        case bool(Bool)
        case string(String)
        case ints([Int])
        case doubles([Double])
        case bools([Bool])
        case tensors([Tensor?])
        case device(Device)
        case generator(Generator)
        case object(TorchObject)
    }

    /// The operator's name with its overload.
    public let name: String
    private let handle: ct_operator?
    private let problem: String?

    /// Looks the operator up; the first call reports a missing one.
    public init(_ name: String, _ overload: String = "") {
        self.name = overload.isEmpty ? name : "\(name).\(overload)"
        var found: ct_operator?
        if let error = ct_operator_find(name, overload, &found) {
            problem = String(cString: error)
            ct_free(error)
        } else {
            problem = nil
        }
        handle = found
    }

    /// Calls the operator and returns its only result, a tensor.
    @discardableResult
    public func callAsFunction(_ arguments: Argument...) throws -> Tensor {
        try withResults(of: arguments) { results in
            // All results are adopted first; otherwise an error would leak the remaining handles.
            let values = results.map { Value(adopting: $0) }
            guard values.count == 1, case .tensor(let tensor) = values[0] else {
                throw TorchError.operation("\(name): expected one tensor as the result, got \(values)")
            }
            return tensor
        }
    }

    /// Calls the operator for its effect on its arguments.
    public func run(_ arguments: Argument...) throws {
        try withResults(of: arguments) { $0.forEach { _ = Value(adopting: $0) } }
    }

    /// Calls the operator and returns all its results as tensors.
    public func tensors(_ arguments: Argument...) throws -> [Tensor] {
        try withResults(of: arguments) { results in
            try results.map { Value(adopting: $0) }.map { value in
                guard case .tensor(let tensor) = value else {
                    throw TorchError.operation("\(name): a result is not a tensor but \(value)")
                }
                return tensor
            }
        }
    }

    /// Calls the operator and returns all its results, of any type.
    public func values(_ arguments: Argument...) throws -> [Value] {
        try withResults(of: arguments) { $0.map { Value(adopting: $0) } }
    }

    private func withResults<Result>(
        of arguments: [Argument], _ body: (UnsafeMutableBufferPointer<ct_value>) throws -> Result
    ) throws -> Result {
        guard let handle else { throw TorchError.operation(problem ?? "\(name) is missing") }
        return try withUnsafeTemporaryAllocation(of: ct_value.self, capacity: arguments.count + 8) { values in
            var scratch = Scratch()
            defer { scratch.free() }
            for (position, argument) in arguments.enumerated() { values[position] = scratch.value(argument) }
            var count = 0
            // The arguments own the tensors behind the raw handles, so they must live until the call has returned.
            let error = withExtendedLifetime(arguments) {
                ct_operator_call(
                    handle, values.baseAddress, arguments.count, values.baseAddress?.advanced(by: arguments.count), 8,
                    &count)
            }
            try TorchError.check(error)
            return try body(UnsafeMutableBufferPointer(rebasing: values[arguments.count..<arguments.count + count]))
        }
    }
}

/// The memory of list arguments during one call.
private struct Scratch {
    private var blocks: [UnsafeMutableRawPointer] = []

    mutating func free() {
        blocks.forEach { $0.deallocate() }
    }

    private mutating func list<Element, Stored: BitwiseCopyable>(
        _ tag: ct_tag, _ items: [Element], _ convert: (Element) -> Stored
    ) -> ct_value {
        var value = ct_value()
        value.tag = Int32(tag.rawValue)
        value.count = Int64(items.count)
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: max(1, items.count) * MemoryLayout<Stored>.stride, alignment: MemoryLayout<Stored>.alignment)
        blocks.append(block)
        let typed = block.bindMemory(to: Stored.self, capacity: max(1, items.count))
        for (position, item) in items.enumerated() { typed[position] = convert(item) }
        value.payload.pointer = UnsafeRawPointer(block)
        return value
    }

    mutating func value(_ argument: TorchOperator.Argument) -> ct_value {
        var value = ct_value()
        func set(_ tag: ct_tag) { value.tag = Int32(tag.rawValue) }
        switch argument {
        case .none: set(CT_NONE)
        case .tensor(let tensor):
            set(CT_TENSOR)
            value.payload.tensor = tensor.handle
        case .int(let integer):
            set(CT_INT)
            value.payload.integer = Int64(integer)
        case .double(let real):
            set(CT_DOUBLE)
            value.payload.real = real
        case .bool(let flag):
            set(CT_BOOL)
            value.payload.boolean = flag
        case .dtype(let dtype):
            set(CT_DTYPE)
            value.payload.integer = Int64(dtype.rawValue)
        case .device(let device):
            set(CT_DEVICE)
            value.payload.integer = device.packed
        case .memoryFormat(let format):
            set(CT_MEMORY_FORMAT)
            value.payload.integer = Int64(format.rawValue)
        case .generator(let generator):
            set(CT_GENERATOR)
            value.payload.generator = generator.handle
        case .object(let object):
            set(CT_OBJECT)
            value.payload.object = object.handle
        case .string(let text): return list(CT_STRING, Array(text.utf8)) { $0 }
        case .ints(let items): return list(CT_INT_LIST, items) { Int64($0) }
        case .doubles(let items): return list(CT_DOUBLE_LIST, items) { $0 }
        case .bools(let items): return list(CT_BOOL_LIST, items) { UInt8($0 ? 1 : 0) }
        case .tensors(let items): return list(CT_TENSOR_LIST, items) { Optional($0.handle) }
        case .optionalTensors(let items): return list(CT_OPTIONAL_TENSOR_LIST, items) { $0?.handle }
        }
        return value
    }
}

extension TorchOperator.Value {
    /// Takes ownership of a value from the bridge.
    init(adopting value: ct_value) {
        let count = Int(value.count)
        func list<Stored, Element>(_ type: Stored.Type, _ convert: (Stored) -> Element) -> [Element] {
            guard let pointer = value.payload.pointer else { return [] }
            defer { ct_free(UnsafeMutableRawPointer(mutating: pointer)) }
            let typed = pointer.assumingMemoryBound(to: Stored.self)
            return (0..<count).map { convert(typed[$0]) }
        }
        switch ct_tag(UInt32(value.tag)) {
        case CT_TENSOR: self = value.payload.tensor.map { .tensor(Tensor(adopting: $0)) } ?? .none
        case CT_INT, CT_DTYPE, CT_MEMORY_FORMAT: self = .int(Int(value.payload.integer))
        case CT_DOUBLE: self = .double(value.payload.real)
        case CT_BOOL: self = .bool(value.payload.boolean)
        case CT_STRING: self = .string(String(decoding: list(UInt8.self) { $0 }, as: UTF8.self))
        case CT_INT_LIST: self = .ints(list(Int64.self) { Int($0) })
        case CT_DOUBLE_LIST: self = .doubles(list(Double.self) { $0 })
        case CT_BOOL_LIST: self = .bools(list(UInt8.self) { $0 != 0 })
        case CT_TENSOR_LIST, CT_OPTIONAL_TENSOR_LIST:
            self = .tensors(list(ct_tensor?.self) { $0.map { Tensor(adopting: $0) } })
        case CT_DEVICE: self = .device(Device(packed: value.payload.integer))
        case CT_GENERATOR: self = value.payload.generator.map { .generator(Generator(adopting: $0)) } ?? .none
        case CT_OBJECT: self = value.payload.object.map { .object(TorchObject(adopting: $0)) } ?? .none
        default: self = .none
        }
    }
}
