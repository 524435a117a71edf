/// The parameters of a model end to end in one buffer, and their gradients in another.
///
/// One fused optimizer call, one norm and one all-reduce then serve the whole model. The module's tensors become views
/// of the buffer; backward passes add straight into the gradient buffer.
///
/// In half precision (``lower(to:except:)``) the optimizer keeps these buffers, FP32 master weights and FP32 gradients,
/// and the module computes with a rounded copy whose gradients are collected after each backward pass (the O2 scheme of
/// Micikevicius et al. 2018).
///
/// Several processes may shard the optimizer's state: each then updates only its own range of the parameters (``own``),
/// keeps only that range of the state, and hands the result to the others by ``publish()`` (stage 1 of ZeRO,
/// Rajbhandari et al. 2020).
public final class FlatParameters {
    /// The names, in the buffer's order.
    public let names: [String]
    /// All parameters, [elements]: in FP32, or as the module computes with them where the FP32 masters are sharded.
    public private(set) var values: Tensor
    /// The FP32 parameters that this process updates, those of ``own``.
    public private(set) var masters: Tensor
    /// All gradients, [elements]; where they are sharded, only the part in ``own`` may be summed over processes.
    public let gradients: Tensor
    /// The range of each parameter in the buffers.
    public let ranges: [Range<Int>]
    /// The elements that each process updates, by rank; all of them where nothing is sharded.
    public let shards: [Range<Int>]
    private let group: ProcessGroup?
    private let parameters: [NamedParameter]
    private let shapes: [[Int]]
    /// The rounded parameters that the module computes with, and their gradients, in the same layout.
    package private(set) var lowered: (values: Tensor, gradients: Tensor)?
    /// Whether the optimizer has rounded the parameters for the module already, since ``publish()`` was called last.
    package var isRounded = false
    /// Whether the optimizer has set all gradients to zero already, since ``clearGradients()`` was called last.
    package var isCleared = false
    /// The parameters that the module uses in FP32, end to end, where the FP32 masters are sharded.
    private var exact: ExactParameters?

    // In elements. Each parameter starts on a cache line, so that kernels see aligned memory.
    private static let alignment = 16

    /// Moves the parameters into a buffer of their own.
    ///
    /// - Parameters:
    ///   - parameters: The parameters to train, equal in all processes; they record gradients from now on.
    ///   - group: The processes that shard the optimizer's state; `nil` for none.
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
        // Shards of equal size can be gathered in place.
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

    /// The elements that this process updates.
    public var own: Range<Int> { shards[group?.rank ?? 0] }

    /// Returns the one process that needs the gradients of a range within a shard; `nil` where all processes need all.
    func owner(of range: Range<Int>) -> Int? {
        group == nil ? nil : shards.firstIndex { $0.contains(range.lowerBound) }
    }

    /// Makes a view of a buffer the module's parameter, and a view of another its gradient.
    private func use(_ place: Tensor, gradient: Tensor, for index: Int) throws {
        let leaf = try place.detached().requiringGradient()
        try leaf.setGradient(gradient)
        parameters[index].tensor = leaf
    }

    /// Makes the module compute in half precision; the optimizer still works in FP32.
    ///
    /// - Parameters:
    ///   - type: `float16` or `bfloat16`.
    ///   - staysExact: Whether the parameter of a given name stays FP32 in the module too.
    public func lower(to type: DType, except staysExact: (String) -> Bool) throws {
        let made = (
            values: try values.to(dtype: type), gradients: try gradients.zerosLike().to(dtype: type)
        )
        for (index, name) in names.enumerated() where !staysExact(name) {
            try use(view(index, of: made.values), gradient: view(index, of: made.gradients), for: index)
        }
        lowered = made
        guard group != nil else { return }
        // From here on there are FP32 values only of the own shard, and of what the module needs in FP32.
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

    /// The module's parameters, in the buffer's order.
    public var leaves: [Tensor] { parameters.map(\.tensor) }

    /// Adds the half-precision gradients of a backward pass to the FP32 ones.
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

    /// Applies a change of ``masters``: rounds them for a half-precision module, and exchanges them between processes
    /// that shard them.
    ///
    /// - Throws: `TorchError.communication` if a process is gone.
    public func publish() throws {
        try withoutGradient {
            if !isRounded { try lowered?.values.rows(own).copy(from: masters) }
            isRounded = false
            try exact?.copy(own, from: masters)
        }
        guard let group else { return }
        var running = try group.allGatherInPlace(values)
        for (rank, shard) in shards.enumerated() {
            if let part = try exact?.part(shard) { running.append(try group.broadcast(part, from: rank)) }
        }
        for collective in running { try collective.wait() }
    }

    /// Gets the summed gradients of other processes' shards, after ``GradientReducer/finish()``.
    ///
    /// - Throws: `TorchError.communication` if a process is gone.
    public func gatherGradients() throws {
        for collective in try group?.allGatherInPlace(gradients) ?? [] { try collective.wait() }
    }

    /// Returns the norm of each parameter's gradient, without those of other processes' shards: [parameters].
    package func gradientNorms() throws -> Tensor {
        try withoutGradient {
            let parts = try ranges.map(gradients.rows)
            let values = try ATen.foreachNorm.values(.tensors(parts), .int(2))
            guard case .tensors(let norms)? = values.first else {
                throw TorchError.operation("\(ATen.foreachNorm.name): expected a list of norms")
            }
            return try .stack(norms.compactMap { $0 })
        }
    }

    /// Returns the part of a buffer of this layout that belongs to a parameter, in the parameter's shape.
    public func view(_ index: Int, of buffer: Tensor) throws -> Tensor {
        try buffer.narrowed(0, ranges[index]).viewed(shapes[index])
    }

    /// Returns the sum over the processes that share the optimizer's work.
    func summed(_ tensor: Tensor) throws -> Tensor {
        try group?.allReduce(tensor).wait()
        return tensor
    }

    /// Returns a buffer of the same layout, by name: for checkpoints.
    public func named(_ buffer: Tensor) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (index, name) in names.enumerated() { result[name] = try view(index, of: buffer) }
        return result
    }

    /// The pieces of each parameter within a buffer of this process's elements.
    ///
    /// Each has the parameter's index and the range of its elements in the buffer; parameters of other processes have
    /// none.
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

    /// Returns a copy of a buffer of this process's elements in host memory.
    ///
    /// - Parameters:
    ///   - buffer: [elements of ``own``].
    ///   - isShared: Whether a buffer in host memory is used without a copy, which must not change then.
    public func copy(_ buffer: Tensor, sharing isShared: Bool = false) throws -> FlatCopy {
        let host = try buffer.device == .cpu && !isShared ? buffer.cloned() : buffer.to(device: .cpu)
        return FlatCopy(
            elements: host, names: names, shapes: shapes, ranges: ranges, shards: shards, rank: group?.rank ?? 0)
    }

    /// Returns a checksum: equal for equal buffers, and for others almost never.
    ///
    /// - Returns: The sums of the bits of the buffer's two halves, as exact integers.
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
        defer { isCleared = false }
        guard !isCleared else { return }
        try gradients.zeroInPlace()
        try lowered?.gradients.zeroInPlace()
    }
}

/// Returns the Euclidean norm of the gradients of several groups together.
///
/// Where they are sharded, the norm covers all shards, and all processes must call this.
public func gradientNorm(_ groups: [FlatParameters]) throws -> Double {
    try Tensor.gathering(numbers: squaredNorms(groups)).elements(Double.self).reduce(0, +).squareRoot()
}

/// Returns the same norm on the parameters' device, an FP64 scalar; the host does not wait.
///
/// - Throws: `TorchError.operation` without groups.
package func gradientNorm(onDevice groups: [FlatParameters]) throws -> Tensor {
    let squares = try squaredNorms(groups)
    guard let first = squares.first else { throw TorchError.operation("there are no gradients") }
    return try squares.dropFirst().reduce(first) { try $0 + $1 }.squareRoot()
}

/// Returns the squared norm of each group's gradients, FP64 scalars.
private func squaredNorms(_ groups: [FlatParameters]) throws -> [Tensor] {
    try groups.map { group in
        try group.summed(group.gradients.rows(group.own).norm().to(dtype: .float64).squared())
    }
}
