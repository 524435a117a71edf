import W2VBase
import W2VKernels
import W2VTorch

/// Runs an encoder's transformer layers in a pass, one after another.
///
/// The pass and its plan decide whether a layer is skipped, recorded, recomputed in the backward pass, or transforms
/// some frames only.
struct LayerRunner {
    private let encoder: TransformerEncoder
    private let skips: [Bool]
    /// The index of the layer whose output is the encoder's, if there is one.
    private let last: Int?
    private let pass: ForwardPass
    /// The frames whose context is read, int64; `nil` for all.
    private let rows: Tensor?
    private var next = 0
    private var hasReadRows = false

    /// Prepares for a pass.
    ///
    /// - Parameter rows: The frames whose context is read, int64, each at most once; `nil` for all.
    init(_ encoder: TransformerEncoder, readRows rows: Tensor?, _ pass: ForwardPass) {
        (self.encoder, self.rows, self.pass) = (encoder, rows, pass)
        skips = encoder.skippedLayers(pass)
        last = (encoder.hourglass?.post ?? encoder.layers).isEmpty ? nil : skips.count - 1
    }

    /// Runs the next layer.
    ///
    /// - Parameter input: [frames, channels].
    /// - Returns: The same shape, or only the frames that are read.
    mutating func callAsFunction(
        _ layer: EncoderLayer, _ input: ResidualStream, _ layout: RaggedLayout
    ) throws -> ResidualStream {
        defer { next += 1 }
        let output = skips[next] ? input : try run(layer, input, layout)
        pass.probe?(encoder.keyedLayers[next].key, output.residual)
        return output
    }

    private mutating func run(
        _ layer: EncoderLayer, _ input: ResidualStream, _ layout: RaggedLayout
    ) throws -> ResidualStream {
        // The dropouts of a layer do not depend on whether others are skipped.
        let mode = pass.mode.forLayer(next)
        let rows = next == last && pass.plan.skipsUnreadFrames ? rows : nil
        hasReadRows = rows != nil
        let kept = pass.plan.kept
        guard encoder.recomputes || pass.keptLayers != nil else {
            return try layer(input, layout, readRows: rows, mode, keeping: kept)
        }
        func run(_ input: Tensor, _ mode: Module.Mode) throws -> Tensor {
            try layer(ResidualStream(input), layout, readRows: rows, mode, keeping: kept).residual
        }
        let input = input.residual
        let result =
            try encoder.recomputes
            ? recomputing(input, parameters: layer.parameters().map(\.tensor), mode, run) : run(input, mode)
        return try ResidualStream(
            pass.keptLayers.map {
                try .choose($0.selected(0, next), result, else: rows.map(input.takingRows) ?? input)
            } ?? result)
    }

    /// Returns the frames that are read from the layers' output.
    func readRows(of hidden: Tensor) throws -> Tensor {
        hasReadRows ? hidden : try rows.map(hidden.takingRows) ?? hidden
    }
}

extension TransformerEncoder {
    /// Returns which layers a pass skips, by LayerDrop (Fan, Grave and Joulin 2019) or for its depth, in running order.
    fileprivate func skippedLayers(_ pass: ForwardPass) -> [Bool] {
        let count = layers.count + (hourglass.map { $0.layers.count + $0.post.count } ?? 0)
        let isTooDeep = (0..<count).map { $0 >= pass.plan.depth ?? .max }
        guard layerDrop > 0, var decisions = pass.layerDrop else { return isTooDeep }
        return isTooDeep.map { isTooDeep in decisions.uniform() < layerDrop || isTooDeep }
    }

    /// Returns which layers' results a pass uses, for a pass that runs all of them.
    ///
    /// - Returns: bool [layers], in running order; `nil` if no pass ever skips a layer.
    public func keptLayers(_ pass: ForwardPass) throws -> Tensor? {
        layerDrop > 0 ? try Tensor(skippedLayers(pass).map { !$0 }) : nil
    }

    /// Returns the names of the skipped layers' parameters, such as `layers.3.fc1.weight`, which get no gradients.
    func droppedParameters(_ pass: ForwardPass) -> Set<String> {
        let dropped = zip(keyedLayers, skippedLayers(pass)).filter(\.1).map { $0.0.key + "." }
        return Set(parameters().map(\.name).filter { name in dropped.contains(where: name.hasPrefix) })
    }
}
