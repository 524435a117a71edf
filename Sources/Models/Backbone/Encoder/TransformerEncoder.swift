import W2VKernels
import W2VTorch

/// The context network: positional convolution and transformer layers, plain or Hourglass.
public final class TransformerEncoder: Module {
    @Child("pos_conv") package var positions: PositionalConvolution
    @Child("layers") package var layers: [EncoderLayer]
    @Child("") package var hourglass: Hourglass?
    @Child("layer_norm") var norm: LayerNorm
    private let normFirst: Bool
    private let dropout: Double
    /// The probability with which a training pass skips a layer.
    let layerDrop: Double
    /// Whether the backward pass recomputes the layers instead of keeping their intermediate results.
    let recomputes: Bool

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        normFirst = configuration.layerNormFirst
        dropout = configuration.dropout
        layerDrop = configuration.encoderLayerdrop
        recomputes = configuration.checkpointActivations
        super.init()
        positions = try PositionalConvolution(configuration, initializer: initializer)
        layers = try (0..<(configuration.hourglass?.pre ?? configuration.encoderLayers)).map { _ in
            try EncoderLayer(configuration, initializer: initializer)
        }
        hourglass = try configuration.hourglass.map { try Hourglass(configuration, $0, initializer: initializer) }
        norm = try LayerNorm(configuration.encoderEmbedDim, initializer: initializer)
    }

    /// All transformer layers with their keys, in running order.
    var keyedLayers: [(key: String, layer: EncoderLayer)] {
        func keyed(_ key: String, _ layers: [EncoderLayer]) -> [(key: String, layer: EncoderLayer)] {
            layers.enumerated().map { ("\(key).\($0)", $1) }
        }
        return keyed("layers", layers) + keyed("hourglass_layers", hourglass?.layers ?? [])
            + keyed("post_layers", hourglass?.post ?? [])
    }

    /// Returns the constants that a pass over a layout reads.
    func shapeConstants(_ layout: RaggedLayout) -> [ShapeConstant] {
        let layer = layers.first ?? hourglass?.post.first
        return positions.shapeConstants(layout) + (layer?.attention.shapeConstants(layout) ?? [])
            + (hourglass?.shapeConstants(layout) ?? [])
    }

    /// Computes the context vectors of frames.
    ///
    /// The probe sees `pos_conv`, `layers_input`, `layers.N` and, with an Hourglass, `downsample_layer`,
    /// `hourglass_layers.N`, `upsample_layer` and `post_layers.N`; for a skipped layer it sees the layer's input.
    ///
    /// - Parameters:
    ///   - input: [frames, channels].
    ///   - rows: The frames whose context is read, int64, each at most once; `nil` for all.
    /// - Returns: [frames, channels], or only the rows that are read.
    public func callAsFunction(
        _ input: Tensor, _ layout: RaggedLayout, readRows rows: Tensor? = nil, _ pass: ForwardPass
    ) throws -> Tensor {
        let positional = try profiled(.positionalConvolution) { try positions(input, layout) }
        pass.probe?("pos_conv", positional)
        var hidden = try input + positional
        if !normFirst { hidden = try norm(hidden) }
        hidden = try hidden.dropout(dropout, pass.mode)
        pass.probe?("layers_input", hidden)

        var run = LayerRunner(self, readRows: rows, pass)
        func runAll(_ layers: [EncoderLayer], _ input: Tensor, _ layout: RaggedLayout) throws -> Tensor {
            try layers.reduce(ResidualStream(input)) { try run($1, $0, layout) }.residual
        }
        hidden = try runAll(layers, hidden, layout)
        if let hourglass {
            hidden = try hourglass(hidden, layout, probe: pass.probe) { try runAll(hourglass.layers, $0, $1) }
            hidden = try runAll(hourglass.post, hidden, layout)
        }
        hidden = try run.readRows(of: hidden)
        return normFirst ? try norm(hidden) : hidden
    }
}
