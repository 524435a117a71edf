/// Numbers of the host on their way to a device, as few copies as possible.
///
/// A copy from ordinary memory makes the host wait until the GPU has done everything that was queued before. An upload
/// with a capacity gathers all numbers in one block of page-locked memory instead, which a single copy takes to the
/// device; ``add(_:shape:)`` returns views of the block there. Without a capacity, every array is a copy of its own. A
/// CPU reads the numbers where they are written.
public final class Upload {
    /// The same numbers on the host and on the device: uint8 [capacity].
    private struct Block {
        let host: Tensor
        let device: Tensor
    }

    /// The device.
    public let device: Device
    /// The size that the block needs, in bytes.
    package private(set) var bytes = 0
    private let isGathered: Bool
    private let capacity: Int
    private var block: Block?
    private var isSent = false
    /// The constants that the device lacks, in the block, and then in memory of their own.
    private var constants: [(constant: ShapeConstant, tensor: Tensor)] = []

    /// Every array begins at a multiple of this: kernels read several numbers at once.
    private static let alignment = 256

    /// Makes an upload in which every array is a copy of its own.
    public init(to device: Device) {
        (self.device, isGathered, capacity) = (device, false, 0)
    }

    /// Makes an upload in one copy, which ``send()`` makes.
    ///
    /// - Parameters:
    ///   - capacity: The size of the block in bytes; see ``fits``.
    ///   - packs: Whether there is a block; a CPU needs none.
    /// - Throws: `TorchError.operation` if memory runs out.
    package init(to device: Device, capacity: Int, packs: Bool? = nil) throws {
        (self.device, isGathered) = (device, true)
        guard packs ?? (device != .cpu) else {
            self.capacity = .max
            return
        }
        self.capacity = capacity
        let isPinned = if case .cuda = device { true } else { false }
        block = Block(
            host: try .empty([capacity], dtype: .uint8, isPinned: isPinned),
            device: try .empty([capacity], dtype: .uint8, device: device))
    }

    /// Whether everything added so far fits into the block.
    ///
    /// If not, what was added is lost: the batch has to be made again with a capacity of at least ``bytes``.
    package var fits: Bool { bytes <= capacity }

    /// Adds an array.
    ///
    /// - Parameter shape: The tensor's shape; [count] by default.
    /// - Returns: A tensor on the device.
    /// - Throws: `TorchError.shape` if the number of elements does not match the shape.
    public func add<Element: TensorElement & BitwiseCopyable>(
        _ elements: [Element], shape: [Int]? = nil
    ) throws -> Tensor {
        let shape = shape ?? [elements.count]
        guard shape.reduce(1, *) == elements.count else {
            throw TorchError.shape("\(elements.count) elements do not fill a tensor of shape \(shape)")
        }
        return try add(Element.self, shape: shape) { _ = $0.update(fromContentsOf: elements) }
    }

    /// Adds an array that is written where it is sent from.
    ///
    /// - Parameter write: Writes all elements, row by row.
    /// - Returns: A tensor on the device.
    /// - Throws: `TorchError.operation` if memory runs out, or any error of `write`.
    public func add<Element: TensorElement & BitwiseCopyable>(
        _ type: Element.Type, shape: [Int], _ write: (UnsafeMutableBufferPointer<Element>) throws -> Void
    ) throws -> Tensor {
        let count = shape.reduce(1, *)
        let size = count * MemoryLayout<Element>.stride
        guard count > 0 else { return try .empty(shape, dtype: Element.dtype, device: device) }
        guard let block else {
            let host = try Tensor.empty(shape, dtype: Element.dtype)
            try host.withUnsafeMutableBytes { try write($0.bindMemory(to: Element.self)) }
            guard isGathered, !isSent else { return try host.to(device: device) }
            bytes += size
            return host
        }
        let place = (bytes + Self.alignment - 1) / Self.alignment * Self.alignment
        bytes = place + size
        guard fits else { return try .empty(shape, dtype: Element.dtype, device: device) }
        try block.host.rows(place..<bytes).withUnsafeMutableBytes { try write($0.bindMemory(to: Element.self)) }
        return try block.device.rows(place..<bytes).reinterpreted(as: Element.dtype).viewed(shape)
    }

    /// Adds the constants that the device lacks.
    ///
    /// - Throws: `TorchError.operation` if memory runs out.
    public func add(_ constants: [ShapeConstant]) throws {
        guard device != .cpu else {
            for constant in constants where UploadLog.isNew(constant.purpose, constant.shape, constant.dtype) {
                let size = constant.make().count * constant.dtype.itemSize
                if isGathered, !isSent { bytes += size } else { UploadLog.note(size) }
            }
            return
        }
        for constant in constants where !DeviceConstants.shared.has(constant, on: device) {
            guard isGathered, !isSent else {
                _ = try constant(on: device)
                continue
            }
            let numbers = constant.make()
            let tensor =
                switch constant.dtype {
                case .int32: try add(numbers.map(Int32.init))
                case .int64: try add(numbers)
                // A conversion would read the block before the copy has filled it.
                default: throw TorchError.operation("constants of \(constant.dtype) cannot be uploaded")
                }
            self.constants.append((constant, tensor))
        }
    }

    /// Queues the copy in this thread's current stream.
    ///
    /// - Throws: `TorchError.operation` if the device has failed.
    package func send() throws {
        guard isGathered, !isSent, fits else { return }
        UploadLog.note(bytes)
        if let block, bytes > 0 {
            try block.device.rows(0..<bytes).queueCopy(from: block.host.rows(0..<bytes))
            // A cached view would keep the whole block.
            constants = try constants.map { ($0.constant, try $0.tensor.cloned()) }
        }
        isSent = true
        // LibTorch does not reuse page-locked memory before it has been copied.
        block = nil
    }

    /// Announces that this thread's current stream uses what was sent, and lets all work find the constants.
    ///
    /// - Throws: `TorchError.operation` if the device has failed.
    package func publish() throws {
        for (constant, tensor) in constants {
            try tensor.useInCurrentStream()
            DeviceConstants.shared.insert(tensor, for: constant, on: device)
        }
        constants = []
    }
}
