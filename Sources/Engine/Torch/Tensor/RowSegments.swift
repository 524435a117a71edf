/// Segments of consecutive rows, each with its own sums and means.
///
/// Many segments take no more operators than one. Equal segments become a dimension; for unequal segments, a matrix of
/// zeros and ones maps rows to segments.
public struct RowSegments: Sendable {
    /// The rows of each segment.
    public let lengths: [Int]
    /// The first row of each segment, and the number of rows at the end: int64 [segments + 1]; nil for a single
    /// segment.
    public let offsets: Tensor?
    /// 1 where a row belongs to a segment, else 0: FP32 [segments, rows]; nil for equal segments.
    private let membership: Tensor?
    /// The number of rows of each segment: FP32 [segments]; nil for equal segments.
    private let sizes: Tensor?

    /// Makes segments of these lengths.
    ///
    /// - Parameter lengths: The rows of each segment, at least one.
    public init(_ lengths: [Int], on device: Device) throws { try self.init(lengths, through: Upload(to: device)) }

    /// Makes segments of these lengths.
    ///
    /// - Parameters:
    ///   - lengths: The rows of each segment, at least one.
    ///   - upload: Takes the numbers to the device.
    public init(_ lengths: [Int], through upload: Upload) throws {
        self.lengths = lengths
        var offsets = [0]
        for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
        let rows = offsets[lengths.count]
        self.offsets = try lengths.count > 1 ? upload.add(offsets) : nil
        guard Set(lengths).count > 1 else {
            (membership, sizes) = (nil, nil)
            return
        }
        membership = try upload.add(Float.self, shape: [lengths.count, rows]) { flags in
            flags.update(repeating: 0)
            for segment in lengths.indices {
                for row in offsets[segment]..<offsets[segment + 1] { flags[segment * rows + row] = 1 }
            }
        }
        sizes = try upload.add(lengths.map { Float($0) })
    }

    /// The number of segments.
    public var count: Int { lengths.count }

    /// The number of rows.
    public var rows: Int { lengths.reduce(0, +) }

    /// Returns the sum of each segment's numbers.
    ///
    /// - Parameter numbers: One number a row, [rows].
    /// - Returns: [segments].
    /// - Throws: `TorchError.operation` for another number of rows.
    public func sums(_ numbers: Tensor) throws -> Tensor {
        guard let membership else { return try numbers.reshaped(count, -1).sum(1) }
        // A product with the matrix could round the numbers to TF32.
        return try (membership * numbers).sum(1)
    }

    /// Returns the mean of each segment's numbers.
    ///
    /// - Parameter numbers: One number a row, [rows].
    /// - Returns: [segments].
    /// - Throws: `TorchError.operation` for another number of rows.
    public func means(_ numbers: Tensor) throws -> Tensor { try means(ofSums: sums(numbers)) }

    /// Returns the mean of each segment's vectors.
    ///
    /// - Parameter vectors: [rows, channels].
    /// - Returns: [segments, channels].
    /// - Throws: `TorchError.operation` for another number of rows.
    public func means(ofVectors vectors: Tensor) throws -> Tensor {
        guard let membership else { return try vectors.reshaped(count, -1, vectors.size(1)).mean(1) }
        return try means(ofSums: membership.to(dtype: vectors.dtype).matmul(vectors))
    }

    /// Divides each segment's sums by its number of rows.
    ///
    /// - Parameter sums: [segments, …].
    /// - Returns: A tensor of the same shape.
    /// - Throws: `TorchError.operation` for another number of segments.
    public func means(ofSums sums: Tensor) throws -> Tensor {
        guard let sizes else { return try sums / Double(lengths[0]) }
        return try sums / sizes.viewed([count] + [Int](repeating: 1, count: sums.rank - 1))
    }
}
