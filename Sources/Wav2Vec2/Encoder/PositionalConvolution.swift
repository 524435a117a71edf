import Torch

/// A convolution over neighbouring frames that stands in for position embeddings (paper, section 2).
///
/// Utterances are laid into one signal with half a kernel of zeros between them, so that each sees zeros around itself
/// and nothing of its neighbours. An even kernel gives one row too many, which is trimmed at the end (fairseq's
/// `SamePad`).
final class PositionalConvolution: Module {
    @Child("0") var convolution: WeightNormConvolution
    private let kernel: Int
    private var packed: PackedWeight?

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        kernel = configuration.convPos
        super.init()
        let channels = configuration.encoderEmbedDim
        convolution = try WeightNormConvolution(
            channels: channels, kernel: kernel, groups: configuration.convPosGroups,
            deviation: (4 / Double(kernel * channels)).squareRoot(), initializer: initializer)
    }

    /// From [frames, channels] to the same shape.
    func callAsFunction(_ input: Tensor, _ layout: RaggedLayout) throws -> Tensor {
        let gap = kernel / 2
        // Each utterance follows `gap` rows of zeros; after the last one come `gap` more.
        let spaced = RaggedLayout(layout.lengths.map { $0 + gap })
        let places = try Tensor(layout.positions(in: spaced, shiftedBy: gap)).to(device: input.device)
        if let packed {
            return try convolved(input.placingRows(at: places, in: spaced.total + gap), packed, layout, spaced)
        }
        // The weights may stay FP32 where the rest of the model does not.
        let signal = try input.to(dtype: convolution.bias.dtype).placingRows(at: places, in: spaced.total + gap)
        let convolved = try convolution(signal.transposed().unsqueezed(0)).squeezed(0).transposed()
        // Output row r sees signal rows r ..< r + kernel, so frame t of an utterance is the row `gap` before it.
        let frames = try Tensor(layout.positions(in: spaced)).to(device: input.device)
        return try convolved.takingRows(frames).to(dtype: input.dtype).gelu()
    }

    /// Folds and packs the weight for inference, in FP32.
    func pack() throws {
        let weight = try convolution.weight()
        let (channels, width) = (weight.size(0), weight.size(1))
        packed = try PackedWeight(
            groups: weight.permuted(0, 2, 1).reshaped(channels / width, width, width * kernel))
    }

    /// The convolution as one product for each group of channels, whose rows are windows of that group's signal.
    private func convolved(
        _ signal: Tensor, _ packed: PackedWeight, _ layout: RaggedLayout, _ spaced: RaggedLayout
    ) throws -> Tensor {
        let width = convolution.direction.size(1)
        let groups = try signal.viewed(signal.size(0), -1, width).transposed(0, 1).contiguous()
        let output = try Tensor.empty([layout.total, signal.size(1)])
        for utterance in 0..<layout.count {
            try packed.multiply(
                windowsOf: groups, from: spaced.offsets[utterance] * width, step: width, bias: convolution.bias,
                gelu: true, into: output.rows(layout.rows(utterance)))
        }
        return output
    }
}
