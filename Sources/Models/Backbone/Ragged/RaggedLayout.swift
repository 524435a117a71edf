import W2VTorch

/// How utterances lie end to end along the first dimension of a matrix.
public struct RaggedLayout: Sendable, Equatable {
    /// The rows of each utterance.
    public let lengths: [Int]
    /// Where each utterance starts, and the total at the end: the cumulative lengths.
    public let offsets: [Int]

    /// Makes the layout of utterances of these lengths.
    public init(_ lengths: [Int]) {
        self.lengths = lengths
        var offsets = [0]
        offsets.reserveCapacity(lengths.count + 1)
        for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
        self.offsets = offsets
    }

    /// All rows.
    public var total: Int { offsets[offsets.count - 1] }

    /// The number of utterances.
    public var count: Int { lengths.count }

    /// The offsets as attention over ragged batches wants them: int32 [count + 1].
    func offsets(on device: Device) throws -> Tensor {
        try .constant("offsets", lengths, as: .int32, on: device) { offsets }
    }

    /// The rows of one utterance.
    public func rows(_ utterance: Int) -> Range<Int> { offsets[utterance]..<offsets[utterance + 1] }

    /// The length that all utterances share, if they do.
    public var uniformLength: Int? {
        guard let first = lengths.first, lengths.allSatisfy({ $0 == first }) else { return nil }
        return first
    }

    /// Every utterance made longer, up to a multiple.
    public func roundedUp(toMultipleOf factor: Int) -> RaggedLayout {
        RaggedLayout(lengths.map { ($0 + factor - 1) / factor * factor })
    }

    /// The utterance that each row belongs to.
    public var utteranceOfRow: [Int] {
        lengths.enumerated().flatMap { utterance, length in repeatElement(utterance, count: length) }
    }

    /// Where this layout's rows lie in another layout, whose utterances are at least as long.
    ///
    /// - Returns: The row there of each row here.
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
