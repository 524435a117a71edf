import W2VTorch

/// Samples of utterances, or of parts of them, each of which starts at a multiple of the extractor's hop.
struct AlignedSignal {
    /// All samples, [rows · hop]; zeros fill up the last row of each utterance.
    let samples: Tensor
    /// The samples of each utterance.
    let lengths: [Int]
    /// The rows of `hop` samples of each utterance.
    let rows: RaggedLayout
    private let layers: ConvolutionLayers
    /// The utterances that the samples are parts of, if they are.
    private var source: SignalSource?

    private var hop: Int { layers.hop }

    /// Aligns utterances.
    ///
    /// - Parameters:
    ///   - samples: All samples end to end, [Σ lengths].
    ///   - lengths: The samples of each utterance.
    ///   - layers: The convolutions, whose hop is the samples of a row.
    init(_ samples: Tensor, _ lengths: [Int], _ layers: ConvolutionLayers) throws {
        self.layers = layers
        self.lengths = lengths
        rows = Self.rows(lengths, layers.hop)
        self.samples = try Self.align(samples, lengths, rows, hop: layers.hop)
    }

    private init(rows: RaggedLayout, of samples: Tensor, lengths: [Int], _ layers: ConvolutionLayers) {
        (self.rows, self.samples, self.lengths, self.layers) = (rows, samples, lengths, layers)
    }

    /// Returns the output rows of each convolution.
    func blockRows() -> [ExtractorRows] {
        var (valid, each) = (lengths, hop)
        return layers.layers.enumerated().map { index, layer in
            each /= layer.stride
            valid = valid.map(layer.outputs)
            return ExtractorRows(layout: outputs(each: each), valid: valid, source: index == 0 ? source : nil)
        }
    }

    /// Returns the output rows of a convolution with `count` of them per row of samples.
    private func outputs(each count: Int) -> RaggedLayout { RaggedLayout(rows.lengths.map { $0 * count }) }

    /// Cuts parts, which may overlap, out of the utterances, on the CPU.
    ///
    /// - Parameters:
    ///   - starts: The utterance of each part and its first row there.
    ///   - lengths: The samples of each part.
    /// - Throws: `TorchError.operation` for a part that leaves the samples.
    func parts(from starts: [(utterance: Int, row: Int)], lengths: [Int]) throws -> AlignedSignal {
        let layout = Self.rows(lengths, hop)
        let wanted = zip(starts, layout.lengths).flatMap { start, count in
            let first = rows.offsets[start.utterance] + start.row
            return Array(first..<first + count)
        }
        let taken = try samples.viewed(-1, hop).taking(Tensor(wanted))
        var parts = AlignedSignal(rows: layout, of: try taken.viewed(-1), lengths: lengths, layers)
        let first = layers.layers[0]
        parts.source = SignalSource(
            samples: try samples.viewed(-1, 1), layout: outputs(each: hop / first.stride),
            valid: self.lengths.map(first.outputs), owners: starts.map(\.utterance))
        return parts
    }

    /// Returns the rows of `hop` samples of utterances.
    static func rows(_ lengths: [Int], _ hop: Int) -> RaggedLayout {
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
