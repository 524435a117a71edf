/// Parameters that stay FP32 in a model of half precision, laid end to end.
///
/// They keep the order of the large buffer, so that what a process changes of that is one stretch here too.
struct ExactParameters {
    /// The parameters, [elements].
    let values: Tensor
    /// Where each lies in the large buffer, in ascending order.
    private let ranges: [Range<Int>]
    /// Where each begins here; one more for the end.
    private let starts: [Int]

    /// Copies stretches of a buffer.
    ///
    /// - Parameter ranges: The parameters' places, in ascending order.
    init(_ ranges: [Range<Int>], of buffer: Tensor) throws {
        self.ranges = ranges
        starts = ranges.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
        values = try Tensor.empty([starts.last ?? 0], device: buffer.device)
        for (index, range) in ranges.enumerated() { try view(index).copy(from: buffer.rows(range)) }
    }

    /// One of the parameters, [its elements].
    func view(_ index: Int) throws -> Tensor { try values.rows(starts[index]..<starts[index + 1]) }

    /// Where what lies in a stretch of the large buffer is here.
    private func place(_ range: Range<Int>, of index: Int) -> Range<Int> {
        let piece = ranges[index].clamped(to: range)
        let start = starts[index] + piece.lowerBound - ranges[index].lowerBound
        return start..<start + piece.count
    }

    /// What lies in a stretch of the large buffer; `nil` for nothing.
    func part(_ range: Range<Int>) throws -> Tensor? {
        let places = ranges.indices.map { place(range, of: $0) }.filter { !$0.isEmpty }
        guard let first = places.first, let last = places.last else { return nil }
        return try values.rows(first.lowerBound..<last.upperBound)
    }

    /// Copies what lies in a stretch of the large buffer from a buffer of that stretch alone.
    func copy(_ range: Range<Int>, from source: Tensor) throws {
        for index in ranges.indices {
            let target = place(range, of: index)
            guard !target.isEmpty else { continue }
            let start = max(ranges[index].lowerBound, range.lowerBound) - range.lowerBound
            try values.rows(target).copy(from: source.rows(start..<start + target.count))
        }
    }
}
