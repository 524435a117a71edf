import Kernels
import Torch

/// The convolutional feature extractor: from raw samples to one vector every 20 ms (paper, section 2).
///
/// The whole batch runs as one signal. Every utterance starts at a row that is a multiple of the remaining strides, so
/// its windows stay aligned and its frames see its own samples only; the row or two that straddle a boundary at each
/// layer are never read by a valid frame, and are dropped at the end.
public final class FeatureExtractor: Module {
    @Child("conv_layers") package var blocks: [ExtractorBlock]
    /// The convolutions' sizes.
    public let layers: ConvolutionLayers
    /// At most so many samples go through all layers together, unless an utterance alone has more, where nothing is kept
    /// for a backward pass on the CPU: what a layer writes is then smaller, and sooner read by the next.
    var samplesAtOnce = 160_000

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        layers = configuration.convFeatureLayers
        super.init()
        var inputs = 1
        var blocks: [ExtractorBlock] = []
        for (index, layer) in layers.layers.enumerated() {
            // Utterances begin at multiples of the strides that follow, this layer's own included.
            let following = layers.layers[index...].map(\.stride).reduce(1, *)
            blocks.append(
                try ExtractorBlock(
                    inputs: inputs, layer: layer, startsPairs: following % 4 == 0, bias: configuration.convBias,
                    groupNorm: configuration.extractorMode == .groupNorm && index == 0,
                    layerNorm: configuration.extractorMode == .layerNorm, initializer: initializer))
            inputs = layer.channels
        }
        self.blocks = blocks
    }

    /// The frames of utterances of these many samples.
    ///
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame.
    public func layout(samples: [Int]) throws -> RaggedLayout {
        let frames = samples.map(layers.frames(samples:))
        if let short = frames.firstIndex(of: 0) {
            throw ConfigurationError(
                "utterance \(short) of the batch has \(samples[short]) samples; at least \(layers.receptiveField) are "
                    + "needed for one frame")
        }
        return RaggedLayout(frames)
    }

    /// Features of utterances that lie end to end.
    ///
    /// - Parameters:
    ///   - samples: All samples, [Σ lengths]; where no kernel takes them as they are, they are converted to the weights' type.
    ///   - lengths: The samples of each utterance.
    ///   - masked: For each utterance the sorted positions of frames that nobody reads. Where no gradient is recorded they are
    ///     not computed, and come as zeros.
    /// - Returns: [frames, channels] and where each utterance's frames lie.
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame; `TorchError.operation` if
    ///   LibTorch refuses.
    public func callAsFunction(
        _ samples: Tensor, lengths: [Int], leavingOut masked: [[Int]]? = nil
    ) throws -> (features: Tensor, layout: RaggedLayout) {
        let frames = try layout(samples: lengths)
        guard !isGradientEnabled else { return (try features(samples, lengths, frames, leavingOut: nil), frames) }
        guard samples.device == .cpu, lengths.count > 1 else {
            return (try features(samples, lengths, frames, leavingOut: masked), frames)
        }
        let places = RaggedLayout(lengths)
        var (parts, first): ([Tensor], Int) = ([], 0)
        for next in 1...lengths.count
        where next == lengths.count
            || places.offsets[next + 1] - places.offsets[first] > samplesAtOnce
        {
            parts.append(
                try features(
                    samples.rows(places.offsets[first]..<places.offsets[next]), Array(lengths[first..<next]),
                    RaggedLayout(Array(frames.lengths[first..<next])),
                    leavingOut: masked.map { Array($0[first..<next]) }))
            first = next
        }
        return (parts.count == 1 ? parts[0] : try .concatenate(parts), frames)
    }

    /// Features [frames, channels] of utterances that go through the layers together.
    private func features(
        _ samples: Tensor, _ lengths: [Int], _ frames: RaggedLayout, leavingOut masked: [[Int]]?
    ) throws -> Tensor {
        let signal = try AlignedSignal(samples, lengths, hop: layers.hop)
        if let masked, masked.contains(where: { !$0.isEmpty }), blocks[0].supportsParts(of: signal.samples) {
            let wanted = FrameRuns(lengths: frames.lengths, leavingOut: masked)
            if !wanted.runs.isEmpty { return try features(signal, wanted, in: frames) }
        }
        let features = try convolved(signal)
        if signal.rows == frames { return features }
        let kept = try Tensor.constant("frames of rows", signal.rows.lengths + frames.lengths, on: features.device) {
            frames.positions(in: signal.rows)
        }
        return try features.takingRows(kept)
    }

    /// Features [frames, channels] of some runs of frames; the others are zeros.
    private func features(_ signal: AlignedSignal, _ wanted: FrameRuns, in frames: RaggedLayout) throws -> Tensor {
        let runs = wanted.runs
        let parts = try signal.parts(
            from: runs.map { ($0.utterance, $0.frames.lowerBound) }, lengths: wanted.samples(layers))
        let device = signal.samples.device
        let places = runs.flatMap { run in run.frames.map { frames.offsets[run.utterance] + $0 } }
        let kept = RaggedLayout(runs.map(\.frames.count)).positions(in: parts.rows)
        let features = try convolved(parts, of: signal, owners: runs.map(\.utterance))
        return try Tensor.zeros([frames.total, features.size(1)], dtype: features.dtype, device: device)
            .replacing(Tensor(places).to(device: device), with: features.taking(Tensor(kept).to(device: device)))
    }

    /// What the layers make of a signal.
    ///
    /// - Parameters:
    ///   - signal: Utterances or parts of them.
    ///   - whole: The utterances that they are parts of, if they are.
    ///   - owners: The utterance of each part.
    /// - Returns: [rows, channels], those that straddle boundaries included.
    /// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
    private func convolved(
        _ signal: AlignedSignal, of whole: AlignedSignal? = nil, owners: [Int] = []
    ) throws -> Tensor {
        func rows(_ signal: AlignedSignal, each count: Int) -> RaggedLayout {
            RaggedLayout(signal.rows.lengths.map { $0 * count })
        }
        let first = layers.layers[0]
        var source = try whole.map {
            SignalSource(
                samples: try $0.samples.viewed(-1, 1), layout: rows($0, each: layers.hop / first.stride),
                valid: $0.lengths.map(first.outputs), owners: owners)
        }
        var hidden = ExtractorActivation(try signal.samples.viewed(-1, 1))
        var valid = signal.lengths
        var remaining = layers.hop
        for (block, layer) in zip(blocks, layers.layers) {
            remaining /= layer.stride
            valid = valid.map(layer.outputs)
            hidden = try profiled(block === blocks[0] ? .firstConvolution : .convolutions) {
                try block(
                    hidden, ExtractorRows(layout: rows(signal, each: remaining), valid: valid, source: source))
            }
            source = nil
        }
        return try profiled(.convolutions) { try hidden.finished() }
    }
}
