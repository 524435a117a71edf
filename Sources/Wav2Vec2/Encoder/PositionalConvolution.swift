import Torch

/// A convolution over neighbouring frames that stands in for position embeddings (paper, section 2).
///
/// Utterances are laid into one signal with half a kernel of zeros between them, so that each sees zeros around itself
/// and nothing of its neighbours. An even kernel gives one row too many, which is trimmed at the end (fairseq's
/// `SamePad`).
final class PositionalConvolution: Module {
    @Child("0") var convolution: WeightNormConvolution
    private let kernel: Int

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
        // The weights may stay FP32 where the rest of the model does not.
        let signal = try input.to(dtype: convolution.bias.dtype).placingRows(at: places, in: spaced.total + gap)
        let convolved = try convolution(signal.transposed().unsqueezed(0)).squeezed(0).transposed()
        // Output row r sees signal rows r ..< r + kernel, so frame t of an utterance is the row `gap` before it.
        let frames = try Tensor(layout.positions(in: spaced)).to(device: input.device)
        return try convolved.takingRows(frames).to(dtype: input.dtype).gelu()
    }
}
