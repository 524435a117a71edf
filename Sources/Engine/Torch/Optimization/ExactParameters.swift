/// The parameters that stay FP32 in a half-precision model, end to end.
///
/// They keep the order of the flat buffer, so that a process's shard is one contiguous range here too.
struct ExactParameters {
    /// The parameters, [elements].
    let values: Tensor
    /// The range of each in the flat buffer, ascending.
    private let ranges: [Range<Int>]
    /// The start of each here, and the end of the last.
    private let starts: [Int]

    /// Copies ranges of a buffer.
    ///
    /// - Parameter ranges: The parameters' ranges, ascending.
    init(_ ranges: [Range<Int>], of buffer: Tensor) throws {
        self.ranges = ranges
        starts = ranges.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
        values = try Tensor.empty([starts.last ?? 0], device: buffer.device)
        for (index, range) in ranges.enumerated() { try view(index).copy(from: buffer.rows(range)) }
    }

    /// Returns one of the parameters, [its elements].
    func view(_ index: Int) throws -> Tensor { try values.rows(starts[index]..<starts[index + 1]) }

    /// Returns the range here that corresponds to a range of the flat buffer.
    private func place(_ range: Range<Int>, of index: Int) -> Range<Int> {
        let piece = ranges[index].clamped(to: range)
        let start = starts[index] + piece.lowerBound - ranges[index].lowerBound
        return start..<start + piece.count
    }

    /// Returns the parameters within a range of the flat buffer; `nil` if there are none.
    func part(_ range: Range<Int>) throws -> Tensor? {
        let places = ranges.indices.map { place(range, of: $0) }.filter { !$0.isEmpty }
        guard let first = places.first, let last = places.last else { return nil }
        return try values.rows(first.lowerBound..<last.upperBound)
    }

    /// Copies the parameters within a range of the flat buffer from a buffer that holds just that range.
    func copy(_ range: Range<Int>, from source: Tensor) throws {
        for index in ranges.indices {
            let target = place(range, of: index)
            guard !target.isEmpty else { continue }
            let start = max(ranges[index].lowerBound, range.lowerBound) - range.lowerBound
            try values.rows(target).copy(from: source.rows(start..<start + target.count))
        }
    }
}
