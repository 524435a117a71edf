import Kernels
import Torch

/// The context network: positional convolution and transformer layers, plain or Hourglass.
public final class TransformerEncoder: Module {
    @Child("pos_conv") package var positions: PositionalConvolution
    @Child("layers") var layers: [EncoderLayer]
    @Child("") package var hourglass: Hourglass?
    @Child("layer_norm") var norm: LayerNorm
    private let normFirst: Bool
    private let recomputes: Bool
    private let dropout: Double
    private let layerDrop: Double

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

    /// All transformer layers, in the order in which they run.
    package var allLayers: [EncoderLayer] { layers + (hourglass.map { $0.layers + $0.post } ?? []) }

    /// Which of all layers are left out, by LayerDrop or for being too deep, in the order in which they run.
    private func droppedLayers(_ pass: ForwardPass) -> [Bool] {
        let isTooDeep = allLayers.indices.map { $0 >= pass.depth ?? .max }
        guard layerDrop > 0, var decisions = pass.layerDrop else { return isTooDeep }
        return isTooDeep.map { isTooDeep in decisions.uniform() < layerDrop || isTooDeep }
    }

    /// Which layers' results a pass uses, for one that has all of them run.
    ///
    /// - Parameter pass: What decides it.
    /// - Returns: bool [layers], in the order in which they run; `nil` if no pass leaves any out.
    /// - Throws: `TorchError.operation` if memory runs out.
    public func keptLayers(_ pass: ForwardPass) throws -> Tensor? {
        layerDrop > 0 ? try Tensor(droppedLayers(pass).map { !$0 }) : nil
    }

    /// The parameters of the layers that are left out: a pass leaves them without gradients.
    ///
    /// - Parameter pass: What decides it.
    /// - Returns: Names, such as `layers.3.fc1.weight`.
    func droppedParameters(_ pass: ForwardPass) -> Set<String> {
        var keys: [String] = []
        for (key, layers) in [
            ("layers", layers), ("hourglass_layers", hourglass?.layers ?? []), ("post_layers", hourglass?.post ?? []),
        ] {
            layers.forEachModule(key: key) { key, _ in keys.append(key + ".") }
        }
        let dropped = zip(keys, droppedLayers(pass)).filter(\.1).map(\.0)
        return Set(parameters().map(\.name).filter { name in dropped.contains(where: name.hasPrefix) })
    }

    /// Context vectors of frames.
    ///
    /// The probe sees `pos_conv`, `layers_input`, `layers.N` and, with an Hourglass, `downsample_layer`, `hourglass_layers.N`,
    /// `upsample_layer` and `post_layers.N`; a layer that is left out shows its input.
    ///
    /// - Parameters:
    ///   - input: [frames, channels].
    ///   - layout: Where utterances lie.
    ///   - rows: The frames that somebody reads, int64, each at most once: the last layer transforms no others. `nil` for
    ///     all.
    ///   - pass: Dropouts, LayerDrop and probe.
    /// - Returns: [frames, channels], or as many rows as are read.
    /// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
    public func callAsFunction(
        _ input: Tensor, _ layout: RaggedLayout, reading rows: Tensor? = nil, _ pass: ForwardPass
    ) throws -> Tensor {
        let positional = try profiled(.positionalConvolution) { try positions(input, layout) }
        pass.probe?("pos_conv", positional)
        var hidden = try input + positional
        if !normFirst { hidden = try norm(hidden) }
        hidden = try hidden.dropout(dropout, pass.mode)
        pass.probe?("layers_input", hidden)

        var dropped = droppedLayers(pass).enumerated().makeIterator()
        let last = (hourglass?.post ?? layers).last
        var unread = rows
        func run(_ layers: [EncoderLayer], _ name: String, _ input: Tensor, _ layout: RaggedLayout) throws -> Tensor {
            var hidden = input
            for (index, layer) in layers.enumerated() {
                if let (number, isDropped) = dropped.next(), !isDropped {
                    // The dropouts of a layer are the same whether or not others are left out.
                    let mode = pass.mode.forLayer(number)
                    let read = layer === last ? rows : nil
                    let result =
                        try recomputes
                        ? recomputing(hidden, parameters: layer.parameters().map(\.tensor), mode) {
                            try layer($0, layout, readRows: read, $1)
                        } : layer(hidden, layout, readRows: read, mode)
                    hidden =
                        try pass.keptLayers.map {
                            try .choose($0.selected(0, number), result, else: read.map(hidden.takingRows) ?? hidden)
                        } ?? result
                    if layer === last { unread = nil }
                }
                pass.probe?("\(name).\(index)", hidden)
            }
            return hidden
        }
        hidden = try run(layers, "layers", hidden, layout)
        if let hourglass {
            hidden = try hourglass(hidden, layout, probe: pass.probe) {
                try run(hourglass.layers, "hourglass_layers", $0, $1)
            }
            hidden = try run(hourglass.post, "post_layers", hidden, layout)
        }
        // Where the last layer has been left out, or its frames are not those of the input.
        if let unread { hidden = try hidden.takingRows(unread) }
        return normFirst ? try norm(hidden) : hidden
    }
}
