extension Tensor {
    // MARK: Creation

    private static func create(_ op: TorchOperator, _ shape: [Int], _ dtype: DType, _ device: Device) throws -> Tensor {
        try op(.ints(shape), .dtype(dtype), .none, .device(device))
    }

    /// Zeros.
    public static func zeros(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws -> Tensor {
        try create(ATen.zeros, shape, dtype, device)
    }
    /// Ones.
    public static func ones(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws -> Tensor {
        try create(ATen.ones, shape, dtype, device)
    }
    /// Memory whose content is to be written before it is read.
    public static func empty(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) throws -> Tensor {
        try create(ATen.empty, shape, dtype, device)
    }
    /// One number everywhere.
    public static func full(
        _ shape: [Int], _ number: Double, dtype: DType = .float32, device: Device = .cpu
    ) throws -> Tensor {
        try ATen.full(.ints(shape), .double(number), .dtype(dtype), .none, .device(device))
    }
    /// A single number.
    public static func scalar(_ number: Double, dtype: DType = .float32, device: Device = .cpu) throws -> Tensor {
        try full([], number, dtype: dtype, device: device)
    }
    /// The whole numbers of a range.
    public static func range(_ range: Range<Int>, dtype: DType = .int64, device: Device = .cpu) throws -> Tensor {
        try ATen.arange(.int(range.lowerBound), .int(range.upperBound), .dtype(dtype), .none, .device(device))
    }
    /// Zeros of this tensor's shape, type and device.
    public func zerosLike() throws -> Tensor { try ATen.zerosLike(.tensor(self)) }
    /// Uninitialized memory of this tensor's shape, type and device, contiguous.
    public func emptyLike() throws -> Tensor {
        try Tensor.empty(shape, dtype: dtype, device: device)
    }
    /// Standard normal numbers.
    public static func normal(
        _ shape: [Int], deviation: Double = 1, dtype: DType = .float32, generator: Generator? = nil
    ) throws -> Tensor {
        let made = try empty(shape, dtype: dtype)
        try made.fillNormalInPlace(deviation: deviation, generator: generator)
        return made
    }
    /// Uniform numbers of [low, high).
    public static func uniform(
        _ shape: [Int], _ low: Double = 0, _ high: Double = 1, dtype: DType = .float32, generator: Generator? = nil
    ) throws -> Tensor {
        let made = try empty(shape, dtype: dtype)
        try made.fillUniformInPlace(low, high, generator: generator)
        return made
    }

    // MARK: Shape

    /// The same memory seen as elements of another type of the same size.
    public func reinterpreted(as type: DType) throws -> Tensor { try ATen.viewDType(.tensor(self), .dtype(type)) }
    /// The same elements in another shape, where one size may be −1, copied only if they must be.
    public func reshaped(_ shape: Int...) throws -> Tensor { try ATen.reshape(.tensor(self), .ints(shape)) }
    /// The same elements in another shape, where one size may be −1, copied only if they must be.
    public func reshaped(_ shape: [Int]) throws -> Tensor { try ATen.reshape(.tensor(self), .ints(shape)) }
    /// The same memory seen in another shape.
    ///
    /// - Throws: `TorchError.operation` if the strides do not allow it.
    public func viewed(_ shape: Int...) throws -> Tensor { try ATen.view(.tensor(self), .ints(shape)) }
    /// The same memory seen in another shape.
    public func viewed(_ shape: [Int]) throws -> Tensor { try ATen.view(.tensor(self), .ints(shape)) }
    /// The dimensions in another order.
    public func permuted(_ order: Int...) throws -> Tensor { try ATen.permute(.tensor(self), .ints(order)) }
    /// Two dimensions exchanged.
    public func transposed(_ first: Int = -2, _ second: Int = -1) throws -> Tensor {
        try ATen.transpose(.tensor(self), .int(first), .int(second))
    }
    /// A new dimension of size 1.
    public func unsqueezed(_ dimension: Int) throws -> Tensor { try ATen.unsqueeze(.tensor(self), .int(dimension)) }
    /// Without a dimension of size 1.
    public func squeezed(_ dimension: Int) throws -> Tensor { try ATen.squeezeDim(.tensor(self), .int(dimension)) }
    /// Dimensions of size 1 repeated without a copy; −1 keeps a size.
    public func expanded(_ shape: Int...) throws -> Tensor { try ATen.expand(.tensor(self), .ints(shape)) }
    /// A part of one dimension, as a view.
    public func narrowed(_ dimension: Int, _ range: Range<Int>) throws -> Tensor {
        try ATen.narrow(.tensor(self), .int(dimension), .int(range.lowerBound), .int(range.count))
    }
    /// The memory from this tensor's first element on, with other sizes and steps, as a view.
    ///
    /// - Throws: `TorchError.operation` when the view would reach beyond the memory.
    public func viewed(_ shape: [Int], strides: [Int], from offset: Int) throws -> Tensor {
        try ATen.asStrided(.tensor(self), .ints(shape), .ints(strides), .int(offset))
    }
    /// Rows of the first dimension, as a view.
    public func rows(_ range: Range<Int>) throws -> Tensor { try narrowed(0, range) }
    /// One index of a dimension, which disappears.
    public func selected(_ dimension: Int, _ index: Int) throws -> Tensor {
        try ATen.select(.tensor(self), .int(dimension), .int(index))
    }
    /// Tensors one after the other along a dimension.
    public static func concatenate(_ tensors: [Tensor], _ dimension: Int = 0) throws -> Tensor {
        if tensors.count == 1 { return tensors[0] }
        return try ATen.cat(.tensors(tensors), .int(dimension))
    }
    /// Tensors of one shape along a new dimension.
    public static func stack(_ tensors: [Tensor], _ dimension: Int = 0) throws -> Tensor {
        try ATen.stack(.tensors(tensors), .int(dimension))
    }
    /// Parts of the given sizes along a dimension, as views.
    public func split(_ sizes: [Int], _ dimension: Int = 0) throws -> [Tensor] {
        let values = try ATen.splitSizes.values(.tensor(self), .ints(sizes), .int(dimension))
        guard case .tensors(let parts)? = values.first else { return [] }
        return parts.compactMap { $0 }
    }
    /// Each element `count` times in a row along a dimension.
    public func repeatedInterleaved(_ count: Int, _ dimension: Int) throws -> Tensor {
        try ATen.repeatInterleave(.tensor(self), .int(count), .int(dimension))
    }
    /// The tensor itself if it is contiguous, else a contiguous copy.
    public func contiguous() throws -> Tensor { isContiguous ? self : try ATen.contiguous(.tensor(self)) }
    /// A copy.
    public func cloned() throws -> Tensor { try ATen.clone(.tensor(self)) }
    /// The same elements, cut off from the graph.
    public func detached() throws -> Tensor { try ATen.detach(.tensor(self)) }
    /// The elements in another type and on another device; itself where nothing changes.
    ///
    /// On the way to a GPU nobody waits: the driver has read the host's memory when the call returns, or keeps it.
    public func to(dtype: DType? = nil, device: Device? = nil) throws -> Tensor {
        let dtype = dtype ?? self.dtype
        if let device, device != self.device {
            return try ATen.toDevice(.tensor(self), .device(device), .dtype(dtype), .bool(self.device == .cpu))
        }
        return dtype == self.dtype ? self : try ATen.toDType(.tensor(self), .dtype(dtype))
    }

    // MARK: Indexing

    /// The given rows of a dimension; `indices` is an int64 vector.
    public func taking(_ indices: Tensor, _ dimension: Int = 0) throws -> Tensor {
        try ATen.indexSelect(.tensor(self), .int(dimension), .tensor(indices))
    }
    /// Elements along a dimension at positions of the same rank.
    public func gathered(_ dimension: Int, _ indices: Tensor) throws -> Tensor {
        try ATen.gather(.tensor(self), .int(dimension), .tensor(indices))
    }
    /// A copy in which the given rows of a dimension are replaced.
    public func replacing(_ indices: Tensor, with rows: Tensor, _ dimension: Int = 0) throws -> Tensor {
        try ATen.indexCopy(.tensor(self), .int(dimension), .tensor(indices), .tensor(rows))
    }
}
