import Torch

/// Samples of utterances, or of parts of them, each of which begins at a multiple of the extractor's hop.
struct AlignedSignal {
    /// All samples, [rows · hop]; zeros follow where a last row is not full.
    let samples: Tensor
    /// The samples of each utterance.
    let lengths: [Int]
    /// The rows of `hop` samples of each utterance.
    let rows: RaggedLayout
    private let hop: Int

    /// Aligns utterances.
    ///
    /// - Parameters:
    ///   - samples: All samples end to end, [Σ lengths].
    ///   - lengths: The samples of each utterance.
    ///   - hop: The samples of a row.
    /// - Throws: `TorchError.operation` if memory runs out.
    init(_ samples: Tensor, _ lengths: [Int], hop: Int) throws {
        self.hop = hop
        self.lengths = lengths
        rows = Self.rows(lengths, hop)
        self.samples = try Self.align(samples, lengths, rows, hop: hop)
    }

    private init(rows: RaggedLayout, of samples: Tensor, lengths: [Int], hop: Int) {
        (self.rows, self.samples, self.lengths, self.hop) = (rows, samples, lengths, hop)
    }

    /// Parts of the utterances, which may overlap.
    ///
    /// - Parameters:
    ///   - starts: The utterance of each part and its first row there.
    ///   - lengths: The samples of each part.
    /// - Returns: The parts end to end.
    /// - Throws: `TorchError.operation` for a part that leaves the samples.
    func parts(from starts: [(utterance: Int, row: Int)], lengths: [Int]) throws -> AlignedSignal {
        let layout = Self.rows(lengths, hop)
        let wanted = zip(starts, layout.lengths).flatMap { start, count in
            let first = rows.offsets[start.utterance] + start.row
            return Array(first..<first + count)
        }
        let taken = try samples.viewed(-1, hop).taking(Tensor(wanted).to(device: samples.device))
        return AlignedSignal(rows: layout, of: try taken.viewed(-1), lengths: lengths, hop: hop)
    }

    private static func rows(_ lengths: [Int], _ hop: Int) -> RaggedLayout {
        RaggedLayout(lengths.map { ($0 + hop - 1) / hop })
    }

    private static func align(
        _ samples: Tensor, _ lengths: [Int], _ rows: RaggedLayout, hop: Int
    ) throws -> Tensor {
        if rows.total * hop == samples.count { return try samples.contiguous() }
        let source = RaggedLayout(lengths)
        if let length = source.uniformLength, length > 0 {
            let filled = try Tensor.zeros(
                [lengths.count, rows.lengths[0] * hop], dtype: samples.dtype, device: samples.device)
            try filled.narrowed(1, 0..<length).copy(from: samples.reshaped(lengths.count, length))
            return try filled.viewed(-1)
        }
        let signal = try Tensor.zeros([rows.total * hop], dtype: samples.dtype, device: samples.device)
        for utterance in 0..<lengths.count {
            let start = rows.offsets[utterance] * hop
            try signal.rows(start..<start + lengths[utterance]).copy(from: samples.rows(source.rows(utterance)))
        }
        return signal
    }
}
