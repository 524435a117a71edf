import W2VKernels
import W2VTorch

/// The parts of a batch that go through the extractor together, and their frames that are read.
///
/// With gradients this is the whole batch; without, an ``ExecutionPlan`` decides.
struct ExtractorParts {
    private let layers: ConvolutionLayers
    private let lengths: [Int]
    private let frames: RaggedLayout
    private let masked: [[Int]]?
    private let plan: ExecutionPlan
    /// The first block, which may need whole utterances.
    private let first: ExtractorBlock

    /// Divides a batch.
    ///
    /// - Parameters:
    ///   - lengths: The samples of each utterance.
    ///   - frames: The frames of each utterance.
    ///   - masked: For each utterance the sorted positions of frames whose features are not read.
    ///   - plan: The extent of the computation where no gradient is recorded.
    init(
        _ extractor: FeatureExtractor, _ lengths: [Int], _ frames: RaggedLayout, maskedFrames masked: [[Int]]?,
        _ plan: ExecutionPlan
    ) {
        (layers, first) = (extractor.layers, extractor.blocks[0])
        (self.lengths, self.frames, self.plan) = (lengths, frames, plan)
        self.masked = plan.skipsMaskedFrames && !isGradientEnabled ? masked : nil
    }

    /// Returns the features of all frames.
    ///
    /// - Parameters:
    ///   - samples: All samples, [Σ lengths].
    ///   - extract: Computes rows [rows, channels] from a signal.
    /// - Returns: [frames, channels], zeros for frames that are skipped.
    func features(_ samples: Tensor, _ extract: (AlignedSignal) throws -> Tensor) throws -> Tensor {
        guard !isGradientEnabled, samples.device == .cpu, lengths.count > 1 else {
            return try features(samples, 0..<lengths.count, extract)
        }
        let places = RaggedLayout(lengths)
        let parts = try plan.groups(samples: lengths).map { group in
            try features(
                samples.rows(places.offsets[group.lowerBound]..<places.offsets[group.upperBound]), group, extract)
        }
        return parts.count == 1 ? parts[0] : try .concatenate(parts)
    }

    /// Returns the features of some utterances, which go through the blocks together.
    private func features(
        _ samples: Tensor, _ utterances: Range<Int>, _ extract: (AlignedSignal) throws -> Tensor
    ) throws -> Tensor {
        let signal = try AlignedSignal(samples, Array(lengths[utterances]), layers)
        let frames = RaggedLayout(Array(frames.lengths[utterances]))
        // On a GPU the tables of the runs, which differ from batch to batch, cost more than the frames.
        if samples.device == .cpu, let masked = masked.map({ Array($0[utterances]) }),
            masked.contains(where: { !$0.isEmpty }),
            first.supportsParts(of: signal.samples)
        {
            let read = FrameRuns(lengths: frames.lengths, masked: masked)
            if !read.runs.isEmpty { return try features(of: read, in: frames, signal, extract) }
        }
        let features = try extract(signal)
        if signal.rows == frames { return features }
        return try features.takingRows(Self.framesOfRows(signal.rows, frames)(on: features.device))
    }

    /// Returns the rows of a signal that are frames.
    private static func framesOfRows(_ rows: RaggedLayout, _ frames: RaggedLayout) -> ShapeConstant {
        ShapeConstant("frames of rows", rows.lengths + frames.lengths) { frames.positions(in: rows) }
    }

    /// Returns the constants that extraction from a whole batch reads.
    ///
    /// - Parameters:
    ///   - lengths: The samples of each utterance.
    ///   - frames: The frames of each utterance.
    static func shapeConstants(
        _ extractor: FeatureExtractor, _ lengths: [Int], _ frames: RaggedLayout
    ) -> [ShapeConstant] {
        let (layers, rows) = (extractor.layers, AlignedSignal.rows(lengths, extractor.layers.hop))
        let first = layers.layers[0]
        let outputs = ExtractorRows(
            layout: RaggedLayout(rows.lengths.map { $0 * (layers.hop / first.stride) }),
            valid: lengths.map(first.outputs))
        return extractor.blocks[0].shapeConstants(outputs) + (rows == frames ? [] : [framesOfRows(rows, frames)])
    }

    /// Returns the features of some runs of frames; all others are zeros.
    private func features(
        of read: FrameRuns, in frames: RaggedLayout, _ signal: AlignedSignal,
        _ extract: (AlignedSignal) throws -> Tensor
    ) throws -> Tensor {
        let runs = read.runs
        let parts = try signal.parts(
            from: runs.map { ($0.utterance, $0.frames.lowerBound) }, lengths: read.samples(layers))
        let places = runs.flatMap { run in run.frames.map { frames.offsets[run.utterance] + $0 } }
        let kept = RaggedLayout(runs.map(\.frames.count)).positions(in: parts.rows)
        let features = try extract(parts)
        return try Tensor.zeros([frames.total, features.size(1)], dtype: features.dtype)
            .replacing(Tensor(places), with: features.taking(Tensor(kept)))
    }
}
