import Kernels
import Torch

/// A convolution over neighbouring frames that stands in for position embeddings (paper, section 2).
///
/// Each utterance sees zeros around itself and nothing of its neighbours. With an even kernel a frame sees one frame more
/// before it than after it, as in fairseq's.
final class PositionalConvolution: Module {
    @Child("0") var convolution: WeightNormConvolution
    private var fixed: FixedWeight<SpectralConvolution>?

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        super.init()
        let (channels, kernel) = (configuration.encoderEmbedDim, configuration.convPos)
        convolution = try WeightNormConvolution(
            channels: channels, kernel: kernel, groups: configuration.convPosGroups,
            deviation: (4 / Double(kernel * channels)).squareRoot(), initializer: initializer)
    }

    /// From [frames, channels] to the same shape.
    func callAsFunction(_ input: Tensor, _ layout: RaggedLayout) throws -> Tensor {
        if let fixed {
            return try fixed.packed()(input, withinSegments: layout.lengths, bias: convolution.bias, gelu: true)
        }
        // The weights may stay FP32 where the rest of the model does not.
        return try convolution(input.to(dtype: convolution.bias.dtype), withinSegments: layout.lengths)
            .to(dtype: input.dtype).gelu()
    }

    /// Has the weight folded and transformed for inference, in FP32.
    func pack() { fixed = FixedWeight { [convolution] in try SpectralConvolution(convolution.weight()) } }
}
