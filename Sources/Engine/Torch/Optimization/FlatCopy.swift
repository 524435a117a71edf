/// A flat buffer in host memory, or this process's shard of one: the source of a checkpoint.
///
/// Rank 0 requests the missing shards from the others, one piece at a time; each of them sends its part of the same
/// pieces. Pieces may be requested in any order, since each has its own tag.
public struct FlatCopy: Sendable {
    /// The elements of this process's shard.
    let elements: Tensor
    /// The parameters' names, in the buffer's order.
    public let names: [String]
    let shapes: [[Int]]
    let ranges: [Range<Int>]
    let shards: [Range<Int>]
    let rank: Int

    /// Returns the shape of a parameter.
    public func shape(_ parameter: Int) -> [Int] { shapes[parameter] }

    /// Returns a whole parameter, on rank 0.
    ///
    /// - Parameter group: The processes that shard the buffer, a group for host tensors; nil where it is not sharded.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func tensor(_ parameter: Int, over group: ProcessGroup?, tag: Int) throws -> Tensor {
        try collected(ranges[parameter], over: group, tag: tag).viewed(shapes[parameter])
    }

    /// Returns the whole buffer by name, on rank 0; the others send nothing more after it.
    ///
    /// - Parameter group: The processes that shard the buffer, a group for host tensors; nil where it is not sharded.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func named(over group: ProcessGroup?, tag: Int) throws -> [String: Tensor] {
        let whole = try collected(0..<(shards.last?.upperBound ?? 0), over: group, tag: tag)
        return try Dictionary(
            uniqueKeysWithValues: names.indices.map { index in
                (names[index], try whole.rows(ranges[index]).viewed(shapes[index]))
            })
    }

    /// Starts to send this process's part of a parameter, or of the whole buffer, on all ranks but 0.
    ///
    /// - Parameters:
    ///   - parameter: The parameter's index; `nil` for the whole buffer.
    ///   - group: The processes: a group for host tensors.
    /// - Returns: The operation in progress; `nil` where this process holds no part of it.
    /// - Throws: `TorchError.communication` if a process is gone.
    public func send(_ parameter: Int?, over group: ProcessGroup, tag: Int) throws -> Collective? {
        let own = shards[rank]
        let piece = (parameter.map { ranges[$0] } ?? own).clamped(to: own)
        return piece.isEmpty ? nil : try group.send(part(piece), to: 0, tag: tag)
    }

    /// Returns the part of a range that this process holds.
    private func part(_ range: Range<Int>) throws -> Tensor {
        let start = range.lowerBound - shards[rank].lowerBound
        return try elements.rows(start..<start + range.count)
    }

    private func collected(_ range: Range<Int>, over group: ProcessGroup?, tag: Int) throws -> Tensor {
        guard range.clamped(to: shards[rank]) != range else { return try part(range) }
        guard let group else { throw TorchError.state("a part of a sharded buffer lies in another process") }
        let whole = try Tensor.empty([range.count], dtype: elements.dtype)
        var running: [Collective] = []
        for (other, shard) in shards.enumerated() {
            let piece = range.clamped(to: shard)
            guard !piece.isEmpty else { continue }
            let start = piece.lowerBound - range.lowerBound
            let place = try whole.rows(start..<start + piece.count)
            if other == rank {
                try place.copy(from: part(piece))
            } else {
                running.append(try group.receive(into: place, from: other, tag: tag))
            }
        }
        for transfer in running { try transfer.wait() }
        return whole
    }
}
