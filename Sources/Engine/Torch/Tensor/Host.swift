import CW2VLibTorch
import Foundation

/// Keeps an object alive for as long as a tensor uses its memory.
private final class MemoryOwner {
    let object: AnyObject?
    let memory: UnsafeMutableRawPointer?

    init(object: AnyObject) {
        self.object = object
        memory = nil
    }

    init(memory: UnsafeMutableRawPointer) {
        object = nil
        self.memory = memory
    }

    deinit {
        memory?.deallocate()
    }
}

private let releaseOwner: @convention(c) (UnsafeMutableRawPointer?) -> Void = { context in
    guard let context else { return }
    Unmanaged<MemoryOwner>.fromOpaque(context).release()
}

extension Tensor {
    private static func over(
        _ memory: UnsafeMutableRawPointer, shape: [Int], dtype: DType, owner: MemoryOwner
    ) throws -> Tensor {
        var made: ct_tensor?
        let context = Unmanaged.passRetained(owner).toOpaque()
        try TorchError.check(
            ct_tensor_from_memory(
                memory, shape.map(Int64.init), shape.count, dtype.rawValue, context, releaseOwner, &made))
        guard let made else { throw TorchError.runtime("LibTorch made no tensor of shape \(shape)") }
        return Tensor(adopting: made)
    }

    private static func requireCount(_ count: Int, _ shape: [Int]) throws {
        let wanted = shape.reduce(1, *)
        guard count == wanted else {
            throw TorchError.shape("\(count) elements do not fill a tensor of shape \(shape), which holds \(wanted)")
        }
    }

    /// Makes a tensor with a copy of the elements, row by row.
    ///
    /// - Throws: `TorchError.shape` when the number of elements does not match the shape.
    public init<Element: TensorElement>(_ elements: [Element], shape: [Int]? = nil) throws {
        let shape = shape ?? [elements.count]
        try Self.requireCount(elements.count, shape)
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: max(1, elements.count) * MemoryLayout<Element>.stride, alignment: 64)
        elements.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { memory.copyMemory(from: base, byteCount: bytes.count) }
        }
        self = try Self.over(memory, shape: shape, dtype: Element.dtype, owner: MemoryOwner(memory: memory))
    }

    /// Makes a tensor over memory that `owner` keeps alive, without a copy.
    ///
    /// The memory must be readable for the owner's lifetime; a tensor over read-only memory must never be written to.
    public init(sharing memory: UnsafeRawPointer, shape: [Int], dtype: DType, owner: AnyObject) throws {
        self = try Self.over(
            UnsafeMutableRawPointer(mutating: memory), shape: shape, dtype: dtype, owner: MemoryOwner(object: owner))
    }

    /// Calls `body` with the address of the elements of a contiguous tensor on the CPU, without a copy.
    ///
    /// - Throws: `TorchError.shape` for a tensor that is on another device or not contiguous; `TorchError.runtime` for one
    ///   on the meta device.
    public func withUnsafeMutableBytes<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> Result
    ) throws -> Result {
        try requireElements()
        guard device == .cpu, isContiguous else {
            throw TorchError.shape("the elements of \(self) are not contiguous in host memory")
        }
        return try withHandle { raw in
            var address: UnsafeMutableRawPointer?
            try TorchError.check(ct_tensor_data(raw, &address))
            return try body(UnsafeMutableRawBufferPointer(start: address, count: count * dtype.itemSize))
        }
    }

    /// Returns the address of the first element, in host memory or on a device.
    package func address() throws -> UnsafeMutableRawPointer {
        if device == .meta, Rehearsal.isRunning, let address = Rehearsal.address { return address }
        try requireElements()
        return try withHandle { raw in
            var address: UnsafeMutableRawPointer?
            try TorchError.check(ct_tensor_data(raw, &address))
            guard let address else { throw TorchError.runtime("\(self) has no elements in memory") }
            return address
        }
    }

    /// Throws for a tensor on the meta device, which has no elements to read.
    func requireElements() throws {
        guard device != .meta else {
            throw TorchError.runtime("\(self) has a shape only: a tensor on the meta device has no elements")
        }
    }

    /// Returns the elements, copied to the host and converted, row by row.
    ///
    /// - Throws: `TorchError.runtime` for a tensor on the meta device; `TorchError.recording` in work that is recorded.
    public func elements<Element: TensorElement & BitwiseCopyable>(_ type: Element.Type = Element.self) throws
        -> [Element]
    {
        try RecordedWork.forbid("the elements of \(self) cannot be read")
        return try copiedElements()
    }

    /// Returns the elements for a computation in host memory, which recorded work repeats.
    ///
    /// - Throws: As ``elements(_:)`` for a tensor on a GPU.
    package func elementsForHost<Element: TensorElement & BitwiseCopyable>(_ type: Element.Type = Element.self) throws
        -> [Element]
    {
        try device == .cpu ? copiedElements() : elements()
    }

    private func copiedElements<Element: TensorElement & BitwiseCopyable>() throws -> [Element] {
        if device == .meta, Rehearsal.isRunning {
            return try Tensor.ones(shape, dtype: Element.dtype).elements(Element.self)
        }
        try requireElements()
        let host = try detached().fetched(as: Element.dtype).contiguous()
        return try host.withUnsafeMutableBytes { bytes in
            Array(bytes.bindMemory(to: Element.self))
        }
    }

    /// Returns the only element, as a number.
    ///
    /// - Throws: `TorchError.shape` unless there is exactly one.
    public func item() throws -> Double {
        guard count == 1 else { throw TorchError.shape("a tensor of shape \(shape) is not a single number") }
        return try elements(Double.self)[0]
    }

    /// Gathers scalars of one device into one tensor, so that a single transfer suffices; 0 stands for a missing one.
    ///
    /// - Returns: FP64 [count], without history.
    /// - Throws: `TorchError.shape` when one does not have exactly one element.
    public static func gathering(numbers tensors: [Tensor?]) throws -> Tensor {
        let device = tensors.lazy.compactMap { $0?.device }.first ?? .cpu
        return try .stack(
            tensors.map { tensor in
                guard let tensor else { return try .scalar(0, dtype: .float64, device: device) }
                guard tensor.count == 1 else {
                    throw TorchError.shape("a tensor of shape \(tensor.shape) is not a single number")
                }
                return try tensor.detached().to(dtype: .float64).reshaped([])
            })
    }
}
