extension Tensor {
    // MARK: Creation

    private static func create(_ op: TorchOperator, _ shape: [Int], _ dtype: DType, _ device: Device) throws -> Tensor {
        try op(.ints(shape), .dtype(dtype), .none, .device(device))
    }

    /// Returns a tensor of zeros.
    public static func zeros(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws -> Tensor {
        try create(ATen.zeros, shape, dtype, device)
    }
    /// Returns a tensor of ones.
    public static func ones(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws -> Tensor {
        try create(ATen.ones, shape, dtype, device)
    }
    /// Returns uninitialized memory, which must be written before it is read.
    public static func empty(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws -> Tensor {
        try create(ATen.empty, shape, dtype, device)
    }
    /// Returns an uninitialized tensor in host memory.
    ///
    /// - Parameter isPinned: Whether the memory is page-locked, so that copies to and from a GPU do not block the host.
    ///   This needs a GPU.
    static func empty(_ shape: [Int], dtype: DType, isPinned: Bool) throws -> Tensor {
        try ATen.empty(.ints(shape), .dtype(dtype), .none, .device(.cpu), .bool(isPinned))
    }
    /// Returns a tensor filled with one number.
    public static func full(
        _ shape: [Int], _ number: Double, dtype: DType = .float32, device: Device = .cpu
    ) throws -> Tensor {
        try ATen.full(.ints(shape), .double(number), .dtype(dtype), .none, .device(device))
    }
    /// Returns a scalar tensor.
    public static func scalar(_ number: Double, dtype: DType = .float32, device: Device = .cpu) throws -> Tensor {
        try full([], number, dtype: dtype, device: device)
    }
    /// Returns the integers of a range.
    public static func range(_ range: Range<Int>, dtype: DType = .int64, device: Device = .cpu) throws -> Tensor {
        try ATen.arange(.int(range.lowerBound), .int(range.upperBound), .dtype(dtype), .none, .device(device))
    }
    /// Returns zeros of this tensor's shape, type and device.
    public func zerosLike() throws -> Tensor { try ATen.zerosLike(.tensor(self)) }
    /// Returns uninitialized memory of this tensor's shape, type and device, contiguous.
    public func emptyLike() throws -> Tensor {
        try Tensor.empty(shape, dtype: dtype, device: device)
    }
    /// Returns standard normal numbers.
    public static func normal(
        _ shape: [Int], deviation: Double = 1, dtype: DType = .float32, generator: Generator? = nil
    ) throws -> Tensor {
        let made = try empty(shape, dtype: dtype)
        try made.fillNormalInPlace(deviation: deviation, generator: generator)
        return made
    }
    /// Returns uniform numbers of [low, high).
    public static func uniform(
        _ shape: [Int], _ low: Double = 0, _ high: Double = 1, dtype: DType = .float32, generator: Generator? = nil
    ) throws -> Tensor {
        let made = try empty(shape, dtype: dtype)
        try made.fillUniformInPlace(low, high, generator: generator)
        return made
    }

    // MARK: Shape

    /// Returns the same memory seen as elements of another type of the same size.
    public func reinterpreted(as type: DType) throws -> Tensor { try ATen.viewDType(.tensor(self), .dtype(type)) }
    /// Returns the elements in another shape, where one size may be −1; copies only if necessary.
    public func reshaped(_ shape: Int...) throws -> Tensor { try ATen.reshape(.tensor(self), .ints(shape)) }
    /// Returns the elements in another shape, where one size may be −1; copies only if necessary.
    public func reshaped(_ shape: [Int]) throws -> Tensor { try ATen.reshape(.tensor(self), .ints(shape)) }
    /// Returns a view of the memory in another shape.
    ///
    /// - Throws: `TorchError.operation` if the strides do not allow it.
    public func viewed(_ shape: Int...) throws -> Tensor { try ATen.view(.tensor(self), .ints(shape)) }
    /// Returns a view of the memory in another shape.
    public func viewed(_ shape: [Int]) throws -> Tensor { try ATen.view(.tensor(self), .ints(shape)) }
    /// Returns a view with the dimensions in another order.
    public func permuted(_ order: Int...) throws -> Tensor { try ATen.permute(.tensor(self), .ints(order)) }
    /// Returns a view with two dimensions exchanged.
    public func transposed(_ first: Int = -2, _ second: Int = -1) throws -> Tensor {
        try ATen.transpose(.tensor(self), .int(first), .int(second))
    }
    /// Returns a view with a new dimension of size 1.
    public func unsqueezed(_ dimension: Int) throws -> Tensor { try ATen.unsqueeze(.tensor(self), .int(dimension)) }
    /// Returns a view without a dimension of size 1.
    public func squeezed(_ dimension: Int) throws -> Tensor { try ATen.squeezeDim(.tensor(self), .int(dimension)) }
    /// Returns a view with dimensions of size 1 repeated; −1 keeps a size.
    public func expanded(_ shape: Int...) throws -> Tensor { try ATen.expand(.tensor(self), .ints(shape)) }
    /// Returns a part of one dimension, as a view.
    public func narrowed(_ dimension: Int, _ range: Range<Int>) throws -> Tensor {
        try ATen.narrow(.tensor(self), .int(dimension), .int(range.lowerBound), .int(range.count))
    }
    /// Returns a view of the memory from this tensor's first element on, with other sizes and strides.
    ///
    /// - Throws: `TorchError.operation` when the view would reach beyond the memory.
    public func viewed(_ shape: [Int], strides: [Int], from offset: Int) throws -> Tensor {
        try ATen.asStrided(.tensor(self), .ints(shape), .ints(strides), .int(offset))
    }
    /// Returns rows of the first dimension, as a view.
    public func rows(_ range: Range<Int>) throws -> Tensor { try narrowed(0, range) }
    /// Returns the view at one index of a dimension, which disappears.
    public func selected(_ dimension: Int, _ index: Int) throws -> Tensor {
        try ATen.select(.tensor(self), .int(dimension), .int(index))
    }
    /// Concatenates tensors along a dimension.
    public static func concatenate(_ tensors: [Tensor], _ dimension: Int = 0) throws -> Tensor {
        if tensors.count == 1 { return tensors[0] }
        return try ATen.cat(.tensors(tensors), .int(dimension))
    }
    /// Stacks tensors of one shape along a new dimension.
    public static func stack(_ tensors: [Tensor], _ dimension: Int = 0) throws -> Tensor {
        try ATen.stack(.tensors(tensors), .int(dimension))
    }
    /// Splits a dimension into parts of the given sizes, as views.
    public func split(_ sizes: [Int], _ dimension: Int = 0) throws -> [Tensor] {
        let values = try ATen.splitSizes.values(.tensor(self), .ints(sizes), .int(dimension))
        guard case .tensors(let parts)? = values.first else { return [] }
        return parts.compactMap { $0 }
    }
    /// Repeats each element `count` times along a dimension.
    public func repeatedInterleaved(_ count: Int, _ dimension: Int) throws -> Tensor {
        try ATen.repeatInterleave(.tensor(self), .int(count), .int(dimension))
    }
    /// Returns the tensor itself if it is contiguous, else a contiguous copy.
    public func contiguous() throws -> Tensor { isContiguous ? self : try ATen.contiguous(.tensor(self)) }
    /// Returns a copy.
    public func cloned() throws -> Tensor { try ATen.clone(.tensor(self)) }
    /// Returns the same elements, detached from the graph.
    public func detached() throws -> Tensor { try ATen.detach(.tensor(self)) }
    /// Converts the elements to another type or device; returns the tensor itself where nothing changes.
    ///
    /// A copy to a GPU of more than 64 KB waits until the GPU has done everything that was queued before; see ``Upload``.
    ///
    /// - Throws: `TorchError.recording` for a copy between host and device in work that is recorded.
    public func to(dtype: DType? = nil, device: Device? = nil) throws -> Tensor {
        // A CPU stands for a GPU: there, too, a tensor that has to be brought to the device comes from outside.
        if let device, device == .cpu || self.device == .cpu {
            try RecordedWork.forbid("\(self) cannot be copied to \(device)")
        }
        if device != nil, self.device == .cpu { UploadLog.note(self) }
        return try converted(to: dtype ?? self.dtype, on: device)
    }
    /// Returns the elements in host memory, to be read.
    func fetched(as dtype: DType) throws -> Tensor { try converted(to: dtype, on: .cpu) }
    private func converted(to dtype: DType, on device: Device?) throws -> Tensor {
        if let device, device != self.device {
            return try ATen.toDevice(.tensor(self), .device(device), .dtype(dtype), .bool(self.device == .cpu))
        }
        return dtype == self.dtype ? self : try ATen.toDType(.tensor(self), .dtype(dtype))
    }

    // MARK: Indexing

    /// Returns the given rows of a dimension; `indices` is an int64 vector.
    public func taking(_ indices: Tensor, _ dimension: Int = 0) throws -> Tensor {
        try ATen.indexSelect(.tensor(self), .int(dimension), .tensor(indices))
    }
    /// Gathers elements along a dimension at positions of the same rank.
    public func gathered(_ dimension: Int, _ indices: Tensor) throws -> Tensor {
        try ATen.gather(.tensor(self), .int(dimension), .tensor(indices))
    }
    /// Returns a copy in which the given rows of a dimension are replaced.
    public func replacing(_ indices: Tensor, with rows: Tensor, _ dimension: Int = 0) throws -> Tensor {
        try ATen.indexCopy(.tensor(self), .int(dimension), .tensor(indices), .tensor(rows))
    }
}
