/// Parameters of a model laid end to end in one buffer, and their gradients in another.
///
/// One fused optimizer call, one norm and one all-reduce then serve the whole model. The module's tensors become views
/// of the buffer; backward passes add straight into the gradient buffer.
///
/// In half precision (``lower(to:except:)``) the buffers stay what the optimizer sees, FP32 master weights and FP32
/// gradients, and the module computes with a rounded copy whose gradients are collected after each backward pass (the
/// O2 scheme of Micikevicius et al. 2018).
///
/// Several processes may share the work of the optimizer: each then changes its own stretch of the parameters alone
/// (``own``), keeps no more of the optimizer's state than that, and hands the result to the others by ``publish()`` (the
/// first stage of ZeRO, Rajbhandari et al. 2020).
public final class FlatParameters {
    /// The names, in the buffer's order.
    public let names: [String]
    /// All parameters, [elements]: in FP32, or as the module computes with them where the FP32 ones are sharded.
    public private(set) var values: Tensor
    /// The FP32 parameters that this process changes, those of ``own``.
    public private(set) var masters: Tensor
    /// All gradients, [elements]; their sums over processes may be those of ``own`` alone, where that is not everything.
    public let gradients: Tensor
    /// Where each parameter lies in the buffers.
    public let ranges: [Range<Int>]
    /// The elements that each process changes, by rank: all of them where nothing is sharded.
    public let shards: [Range<Int>]
    private let group: ProcessGroup?
    private let parameters: [NamedParameter]
    private let shapes: [[Int]]
    /// The rounded parameters that the module computes with, and their gradients, in the same layout.
    private var lowered: (values: Tensor, gradients: Tensor)?
    /// Where the FP32 parameters are sharded: those that the module computes with in FP32, end to end.
    private var exact: ExactParameters?

    // Each parameter starts on a cache line, so that kernels see aligned memory.
    private static let alignment = 16

    /// Moves the parameters into a buffer of their own.
    ///
    /// - Parameters:
    ///   - parameters: What is to be trained, equal in all processes; gradients are recorded from now on.
    ///   - group: The processes that share the optimizer's work; `nil` where this one does all of it.
    public init(_ parameters: [NamedParameter], shardedOver group: ProcessGroup? = nil) throws {
        self.parameters = parameters
        names = parameters.map(\.name)
        shapes = parameters.map(\.tensor.shape)
        var ranges: [Range<Int>] = []
        var end = 0
        for parameter in parameters {
            ranges.append(end..<end + parameter.tensor.count)
            end = (end + parameter.tensor.count + Self.alignment - 1) / Self.alignment * Self.alignment
        }
        self.ranges = ranges
        self.group = group
        let processes = group?.size ?? 1
        // Equal shards can be gathered in place.
        let share = (end / Self.alignment + processes - 1) / processes * Self.alignment
        end = share * processes
        shards = (0..<processes).map { $0 * share..<($0 + 1) * share }
        let device = parameters.first?.tensor.device ?? .cpu
        values = try Tensor.zeros([end], device: device)
        masters = try values.rows(shards[group?.rank ?? 0])
        gradients = try Tensor.zeros([end], device: device)
        for (index, parameter) in parameters.enumerated() {
            let place = try view(index, of: values)
            try withoutGradient { try place.copy(from: parameter.tensor) }
            try use(place, gradient: view(index, of: gradients), for: index)
        }
    }

    /// The elements that this process changes.
    public var own: Range<Int> { shards[group?.rank ?? 0] }

    /// The one process that needs the gradients of a stretch within a shard; `nil` where all processes need all.
    func owner(of range: Range<Int>) -> Int? {
        group == nil ? nil : shards.firstIndex { $0.contains(range.lowerBound) }
    }

    /// Makes a place in a buffer the module's tensor, with its gradient a place in another.
    private func use(_ place: Tensor, gradient: Tensor, for index: Int) throws {
        let leaf = try place.detached().requiringGradient()
        try leaf.setGradient(gradient)
        parameters[index].tensor = leaf
    }

    /// Makes the module compute in half precision; what the optimizer sees stays FP32.
    ///
    /// - Parameters:
    ///   - type: `float16` or `bfloat16`.
    ///   - staysExact: Whether the parameter of a name stays FP32 in the module too.
    public func lower(to type: DType, except staysExact: (String) -> Bool) throws {
        let made = (
            values: try values.to(dtype: type), gradients: try gradients.zerosLike().to(dtype: type)
        )
        for (index, name) in names.enumerated() where !staysExact(name) {
            try use(view(index, of: made.values), gradient: view(index, of: made.gradients), for: index)
        }
        lowered = made
        guard group != nil else { return }
        // From here on there are FP32 values of the own shard alone, and of what the module needs in FP32.
        let stay = names.indices.filter { staysExact(names[$0]) }
        let kept = try ExactParameters(stay.map { ranges[$0] }, of: values)
        for (place, index) in stay.enumerated() {
            try use(
                kept.view(place).viewed(shapes[index]), gradient: view(index, of: gradients), for: index)
        }
        masters = try masters.cloned()
        values = made.values
        exact = kept
    }

    /// The tensors that the module computes with, in the buffer's order.
    public var leaves: [Tensor] { parameters.map(\.tensor) }

    /// After a backward pass in half precision: adds its gradients to the FP32 ones.
    ///
    /// - Parameter range: The elements whose gradients are complete; `nil` for all.
    /// - Throws: `TorchError.operation` for elements beyond the buffer.
    public func collectGradients(in range: Range<Int>? = nil) throws {
        guard let lowered else { return }
        let part = range ?? 0..<gradients.count
        let fresh = try lowered.gradients.rows(part)
        try gradients.rows(part).addInPlace(fresh)
        try fresh.zeroInPlace()
    }

    /// After a change of ``masters``: rounds them for the module, where that computes in half precision, and exchanges
    /// them with the other processes, where they are sharded.
    ///
    /// - Throws: `TorchError.communication` if a process is gone.
    public func publish() throws {
        try withoutGradient {
            try lowered?.values.rows(own).copy(from: masters)
            try exact?.copy(own, from: masters)
        }
        guard let group else { return }
        var running = try group.allGatherInPlace(values)
        for (rank, shard) in shards.enumerated() {
            if let part = try exact?.part(shard) { running.append(try group.broadcast(part, from: rank)) }
        }
        for collective in running { try collective.wait() }
    }

    /// After ``GradientReducer/finish()``: gets the sums of other processes' gradients, where this one has its own alone.
    ///
    /// - Throws: `TorchError.communication` if a process is gone.
    public func gatherGradients() throws {
        for collective in try group?.allGatherInPlace(gradients) ?? [] { try collective.wait() }
    }

    /// A part of a buffer of this layout, in the parameter's shape.
    public func view(_ index: Int, of buffer: Tensor) throws -> Tensor {
        try buffer.narrowed(0, ranges[index]).viewed(shapes[index])
    }

    /// Sums over the processes that share the optimizer's work.
    func summed(_ tensor: Tensor) throws -> Tensor {
        try group?.allReduce(tensor).wait()
        return tensor
    }

    /// A buffer of the same layout, by name: for checkpoints.
    public func named(_ buffer: Tensor) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (index, name) in names.enumerated() { result[name] = try view(index, of: buffer) }
        return result
    }

    /// What a buffer of this process's elements holds of each parameter, its rows where the parameter lies in ``own``.
    ///
    /// - Returns: The parameters' numbers, and where their elements are in the buffer; none for those of other processes.
    var ownPieces: [(parameter: Int, range: Range<Int>)] {
        ranges.indices.compactMap { index in
            let piece = ranges[index].clamped(to: own)
            let start = piece.lowerBound - own.lowerBound
            return piece.isEmpty ? nil : (index, start..<start + piece.count)
        }
    }

    /// Copies named tensors into a buffer of this process's elements.
    ///
    /// - Parameters:
    ///   - state: Whole tensors, by parameter.
    ///   - buffer: [elements of ``own``].
    /// - Throws: `TorchError.state` naming the first parameter that is missing or of another shape.
    public func load(_ state: [String: Tensor], into buffer: Tensor) throws {
        for (index, name) in names.enumerated() {
            guard let tensor = state[name] else {
                throw TorchError.state("the training state holds nothing for parameter \(name)")
            }
            guard tensor.shape == shapes[index] else {
                throw TorchError.state(
                    "the training state of \(name) has shape \(tensor.shape) where \(shapes[index]) is expected")
            }
        }
        try withoutGradient {
            for (index, range) in ownPieces {
                guard let tensor = state[names[index]] else { continue }
                let start = own.lowerBound + range.lowerBound - ranges[index].lowerBound
                try buffer.rows(range).copy(from: tensor.reshaped(-1).rows(start..<start + range.count))
            }
        }
    }

    /// A copy of a buffer of this process's elements in host memory.
    ///
    /// - Parameters:
    ///   - buffer: [elements of ``own``].
    ///   - isShared: Whether a buffer in host memory is to be used as it is, for as long as nobody changes it.
    public func copy(_ buffer: Tensor, sharing isShared: Bool = false) throws -> FlatCopy {
        let host = try buffer.device == .cpu && !isShared ? buffer.cloned() : buffer.to(device: .cpu)
        return FlatCopy(
            elements: host, names: names, shapes: shapes, ranges: ranges, shards: shards, rank: group?.rank ?? 0)
    }

    /// Numbers that are equal for equal buffers, and for others almost never.
    ///
    /// - Returns: The sums of the bits of the buffer's two halves, as exact whole numbers.
    public func checksum() throws -> [Double] {
        try withoutGradient {
            try ([values] + (exact.map { [$0.values] } ?? [])).flatMap { buffer in
                let bits = try buffer.reinterpreted(as: .int32)
                let middle = bits.count / 2
                return try [0..<middle, middle..<bits.count].map { half in
                    // A double holds 53 bits exactly.
                    Double(try bits.narrowed(0, half).sum().elements(Int64.self)[0] & 0xFFFF_FFFF_FFFF)
                }
            }
        }
    }

    /// Sets all gradients to zero.
    public func clearGradients() throws {
        try gradients.zeroInPlace()
        try lowered?.gradients.zeroInPlace()
    }
}

/// The Euclidean norm of the gradients of several groups together.
///
/// Where they are sharded, it is that of all shards, and all processes must ask for it.
public func gradientNorm(_ groups: [FlatParameters]) throws -> Double {
    let squares = try groups.map { group in
        try group.summed(group.gradients.rows(group.own).norm().to(dtype: .float64).squared())
    }
    return try Tensor.gathering(numbers: squares).elements(Double.self).reduce(0, +).squareRoot()
}
