import W2VKernels
import W2VTorch

/// One block of the feature extractor: convolution, optional normalization, GELU (paper, section 2).
package class ExtractorBlock: Module {
    @Parameter("0.weight") final package var weight: Tensor
    @Parameter("0.bias") final var bias: Tensor?
    @Child("2") final var groupNorm: RaggedGroupNorm?
    @Child("2.1") final var layerNorm: LayerNorm?
    final let stride: Int
    /// Whether every utterance starts at a row that is a multiple of four.
    ///
    /// Then the pairs of outputs that share products (``PairedBlock``) do not depend on the batch.
    final let startsPairs: Bool
    /// The stage that the block's time counts for in profiles.
    final let stage: Profile.Stage

    init(
        inputs: Int, layer: ConvolutionLayers.Layer, startsPairs: Bool, bias: Bool, groupNorm: Bool, layerNorm: Bool,
        stage: Profile.Stage, initializer: Initializer
    ) throws {
        stride = layer.stride
        (self.startsPairs, self.stage) = (startsPairs, stage)
        super.init()
        weight = try initializer.kaimingNormal([layer.channels, inputs, layer.kernel])
        self.bias =
            try bias ? initializer.linearDefault([layer.channels], inputs: inputs * layer.kernel) : nil
        self.groupNorm = try groupNorm ? RaggedGroupNorm(layer.channels, initializer: initializer) : nil
        self.layerNorm = try layerNorm ? LayerNorm(layer.channels, initializer: initializer) : nil
    }

    /// Makes a block that replaces another.
    init(sharing other: ExtractorBlock) {
        (stride, startsPairs, stage) = (other.stride, other.startsPairs, other.stage)
        super.init()
        (_weight, _bias) = (other._weight, other._bias)
        (_groupNorm, _layerNorm) = (other._groupNorm, other._layerNorm)
    }

    /// Runs the block.
    ///
    /// - Parameter input: [rows · stride, channels].
    /// - Returns: [rows, channels].
    final func callAsFunction(_ input: Tensor, _ rows: ExtractorRows) throws -> Tensor {
        let convolved = try stridedConvolution(input.to(dtype: weight.dtype), weight, bias, stride: stride)
        let normalized = try normalized(convolved, rows)
        return try normalized.gelu()
    }

    /// Runs the block in a chain, in which faster blocks defer their GELU to the next one.
    package func callAsFunction(_ input: ExtractorActivation, _ rows: ExtractorRows) throws -> ExtractorActivation {
        ExtractorActivation(try self(input.finished(), rows))
    }

    /// Returns the constants that the block, if it is the first, reads.
    func shapeConstants(_ rows: ExtractorRows) -> [ShapeConstant] { [] }

    /// Returns whether the block, if it is the first, can run on parts of utterances; a group norm needs the statistics
    /// of whole ones.
    func supportsParts(of signal: Tensor) -> Bool { groupNorm == nil }

    /// Applies the normalization: group norm in BASE's first block, layer norm in all blocks of LARGE, otherwise none.
    final func normalized(_ input: Tensor, _ rows: ExtractorRows) throws -> Tensor {
        if let groupNorm { return try groupNorm(input, rows.layout, valid: rows.valid) }
        return try layerNorm?(input) ?? input
    }
}

/// The output rows of a block: where utterances begin, and which rows are frames.
///
/// Utterances lie end to end also inside the extractor, so the last rows of each may see samples of the next one. They
/// are computed, but no statistics and no later frame include them.
package struct ExtractorRows {
    /// The rows of each utterance or part of one, including those that straddle two utterances.
    let layout: RaggedLayout
    /// The number of valid frames of each.
    let valid: [Int]
    /// The activations that are kept for the backward pass.
    var kept: KeptActivations = []
    /// The whole utterances, if the rows are parts of them and the block is the first.
    var source: SignalSource?

    /// Makes the rows of whole utterances.
    package init(layout: RaggedLayout, valid: [Int]) { (self.layout, self.valid) = (layout, valid) }

    /// Makes the rows of parts of utterances.
    init(layout: RaggedLayout, valid: [Int], source: SignalSource?) {
        (self.layout, self.valid, self.source) = (layout, valid, source)
    }
}
