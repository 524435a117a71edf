import Synchronization
import Torch

/// How utterances lie end to end along the first dimension of a matrix.
public struct RaggedLayout: Sendable, Equatable {
    /// The rows of each utterance.
    public let lengths: [Int]
    /// Where each utterance starts, and the total at the end: the cumulative lengths.
    public let offsets: [Int]
    private let uploaded = UploadedOffsets()

    /// Whether utterances have the same lengths.
    public static func == (left: RaggedLayout, right: RaggedLayout) -> Bool { left.lengths == right.lengths }

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

    /// The offsets as attention over ragged batches wants them, uploaded once: int32 [count + 1].
    func offsets(on device: Device) throws -> Tensor { try uploaded.tensor(offsets, on: device) }

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
    /// - Parameter larger: The other layout.
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

/// A layout's offsets on a device, shared by the layout's copies.
private final class UploadedOffsets: Sendable {
    private let known = Mutex<[Device: Tensor]>([:])

    func tensor(_ offsets: [Int], on device: Device) throws -> Tensor {
        try known.withLock { known in
            if let found = known[device] { return found }
            let made = try Tensor(offsets.map(Int32.init)).to(device: device)
            known[device] = made
            return made
        }
    }
}

extension Tensor {
    /// The given rows, each asked for at most once; gradients go back to their rows.
    ///
    /// - Parameter indices: Distinct row numbers, int64.
    /// - Returns: The rows in the order of the indices.
    /// - Throws: `TorchError.operation` for an index beyond the rows.
    public func takingRows(_ indices: Tensor) throws -> Tensor {
        let shape = shape
        return try differentiable("row selection", [self]) {
            (
                [try taking(indices)],
                { gradients, _ in
                    guard let gradient = gradients[0] else { return [nil] }
                    return [
                        try Tensor.zeros(shape, dtype: gradient.dtype, device: gradient.device)
                            .replacing(indices, with: gradient)
                    ]
                }
            )
        }[0]
    }

    /// Rows placed into a larger matrix of zeros; the inverse of ``takingRows(_:)``.
    ///
    /// - Parameters:
    ///   - indices: Where each row goes, distinct, int64.
    ///   - count: The rows of the larger matrix.
    /// - Returns: A matrix of `count` rows.
    /// - Throws: `TorchError.operation` for an index beyond `count`, or when rows and indices differ in number.
    public func placingRows(at indices: Tensor, in count: Int) throws -> Tensor {
        try differentiable("row placement", [self]) {
            let zeros = try Tensor.zeros([count] + Array(shape.dropFirst()), dtype: dtype, device: device)
            return (
                [try zeros.replacing(indices, with: self)],
                { gradients, _ in try [gradients[0].map { try $0.taking(indices) }] }
            )
        }[0]
    }
}
