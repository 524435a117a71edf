import W2VTorch

/// The layout of consecutive utterances along the first dimension of a matrix.
public struct RaggedLayout: Sendable, Equatable {
    /// The rows of each utterance.
    public let lengths: [Int]
    /// The first row of each utterance, and the total at the end: the cumulative lengths.
    public let offsets: [Int]

    /// Makes the layout of utterances of these lengths.
    public init(_ lengths: [Int]) {
        self.lengths = lengths
        var offsets = [0]
        offsets.reserveCapacity(lengths.count + 1)
        for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
        self.offsets = offsets
    }

    /// The number of rows.
    public var total: Int { offsets[offsets.count - 1] }

    /// The number of utterances.
    public var count: Int { lengths.count }

    /// The offsets for attention over ragged batches: int32 [count + 1].
    var offsetsConstant: ShapeConstant { ShapeConstant("offsets", lengths, as: .int32) { offsets } }

    /// Returns the rows of one utterance.
    public func rows(_ utterance: Int) -> Range<Int> { offsets[utterance]..<offsets[utterance + 1] }

    /// The common length of all utterances; nil if their lengths differ.
    public var uniformLength: Int? {
        guard let first = lengths.first, lengths.allSatisfy({ $0 == first }) else { return nil }
        return first
    }

    /// Returns the layout with every utterance extended to a multiple.
    public func roundedUp(toMultipleOf factor: Int) -> RaggedLayout {
        RaggedLayout(lengths.map { ($0 + factor - 1) / factor * factor })
    }

    /// The utterance that each row belongs to.
    public var utteranceOfRow: [Int] {
        lengths.enumerated().flatMap { utterance, length in repeatElement(utterance, count: length) }
    }

    /// Returns the row in another layout of each row of this one; the utterances there are at least as long.
    public func positions(in larger: RaggedLayout) -> [Int] {
        var positions: [Int] = []
        positions.reserveCapacity(total)
        for (utterance, length) in lengths.enumerated() {
            let start = larger.offsets[utterance]
            positions.append(contentsOf: start..<start + length)
        }
        return positions
    }
}
