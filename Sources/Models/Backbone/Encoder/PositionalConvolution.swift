import W2VKernels
import W2VTorch

/// A convolution over neighboring frames that replaces position embeddings (paper, section 2).
///
/// Each utterance is zero-padded and does not see its neighbors. With an even kernel a frame sees one frame more before
/// it than after it, as in fairseq.
package class PositionalConvolution: Module {
    @Child("0") final var convolution: WeightNormConvolution

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        super.init()
        let (channels, kernel) = (configuration.encoderEmbedDim, configuration.convPos)
        convolution = try WeightNormConvolution(
            channels: channels, kernel: kernel, groups: configuration.convPosGroups,
            deviation: (4 / Double(kernel * channels)).squareRoot(), initializer: initializer)
    }

    /// Makes a convolution that replaces another.
    init(sharing other: PositionalConvolution) {
        super.init()
        _convolution = other._convolution
    }

    /// Returns the constants that a pass over a layout reads.
    final func shapeConstants(_ layout: RaggedLayout) -> [ShapeConstant] {
        convolution.shapeConstants(withinSegments: layout.lengths)
    }

    /// Maps [frames, channels] to the same shape.
    package func callAsFunction(_ input: Tensor, _ layout: RaggedLayout) throws -> Tensor {
        // The weights may stay FP32 when the rest of the model does not.
        try convolution(input.to(dtype: convolution.bias.dtype), withinSegments: layout.lengths)
            .to(dtype: input.dtype).gelu()
    }
}
