import Foundation
import W2VTorch

/// A value to be pickled.
indirect enum PickledValue {
    case none
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case list([PickledValue])
    case tuple([PickledValue])
    /// The entries, in this order.
    case dictionary([(key: String, value: PickledValue)])
    /// An instance of a class whose state is a dictionary.
    case object(module: String, name: String, state: [(key: String, value: PickledValue)])
    /// A tensor whose data the file has under a number.
    case tensor(Tensor, storage: Int)
}

/// Writes pickles of protocol 2, which `torch.save` writes and every version of PyTorch reads.
struct PickleWriter {
    private(set) var data = Data()
    /// The classes named so far, which are referred to by number.
    private var memo: [String: Int] = [:]

    /// Returns the pickle of a value.
    ///
    /// - Parameter value: The value; its tensors must have types that PyTorch supports.
    static func data(_ value: PickledValue) -> Data {
        var writer = PickleWriter()
        writer.data.append(contentsOf: [0x80, 2])
        writer.write(value)
        writer.code(".")
        return writer.data
    }

    private mutating func code(_ opcode: Character) {
        data.append(opcode.asciiValue ?? 0)
    }

    private mutating func little<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { data.append(contentsOf: $0) }
    }

    private mutating func write(_ value: PickledValue) {
        switch value {
        case .none: code("N")
        case .bool(let flag): data.append(flag ? 0x88 : 0x89)
        case .integer(let number): write(number)
        case .number(let number):
            code("G")
            withUnsafeBytes(of: number.bitPattern.bigEndian) { data.append(contentsOf: $0) }
        case .string(let text): write(text)
        case .list(let items):
            code("]")
            guard !items.isEmpty else { return }
            code("(")
            for item in items { write(item) }
            code("e")
        case .tuple(let items): tuple(items)
        case .dictionary(let members): dictionary(members)
        case .object(let module, let name, let state):
            global(module, name)
            code(")")
            data.append(0x81)
            dictionary(state)
            code("b")
        case .tensor(let tensor, let storage): write(tensor, storage)
        }
    }

    private mutating func write(_ number: Int) {
        if let byte = UInt8(exactly: number) {
            code("K")
            data.append(byte)
        } else if let short = Int32(exactly: number) {
            code("J")
            little(short)
        } else {
            data.append(contentsOf: [0x8A, 8])
            little(number)
        }
    }

    private mutating func write(_ text: String) {
        code("X")
        little(UInt32(text.utf8.count))
        data.append(contentsOf: text.utf8)
    }

    private mutating func tuple(_ items: [PickledValue]) {
        guard !items.isEmpty else { return code(")") }
        code("(")
        for item in items { write(item) }
        code("t")
    }

    private mutating func dictionary(_ members: [(key: String, value: PickledValue)]) {
        code("}")
        guard !members.isEmpty else { return }
        code("(")
        for (key, value) in members {
            write(key)
            write(value)
        }
        code("u")
    }

    private mutating func global(_ module: String, _ name: String) {
        let key = "\(module) \(name)"
        if let index = memo[key] {
            code("h")
            return data.append(UInt8(index))
        }
        code("c")
        data.append(contentsOf: "\(module)\n\(name)\n".utf8)
        guard memo.count < 256 else { return }
        code("q")
        data.append(UInt8(memo.count))
        memo[key] = memo.count
    }

    /// Writes `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)`, the storage by its
    /// number.
    private mutating func write(_ tensor: Tensor, _ storage: Int) {
        global("torch._utils", "_rebuild_tensor_v2")
        code("(")
        code("(")
        write("storage")
        global("torch", Self.storageType(tensor.dtype))
        write(String(storage))
        write("cpu")
        write(tensor.count)
        code("t")
        code("Q")
        write(0)
        tuple(tensor.shape.map(PickledValue.integer))
        var step = 1
        var strides: [Int] = []
        for size in tensor.shape.reversed() {
            strides.append(step)
            step *= max(1, size)
        }
        tuple(strides.reversed().map(PickledValue.integer))
        write(.bool(false))
        global("collections", "OrderedDict")
        code(")")
        code("R")
        code("t")
        code("R")
    }

    private static func storageType(_ dtype: DType) -> String {
        switch dtype {
        case .float32: "FloatStorage"
        case .float64: "DoubleStorage"
        case .float16: "HalfStorage"
        case .bfloat16: "BFloat16Storage"
        case .int64: "LongStorage"
        case .int32: "IntStorage"
        case .int16: "ShortStorage"
        case .int8: "CharStorage"
        case .uint8: "ByteStorage"
        case .bool: "BoolStorage"
        }
    }
}
