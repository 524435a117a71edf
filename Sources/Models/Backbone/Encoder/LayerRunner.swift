import W2VBase
import W2VTorch

/// Runs an encoder's transformer layers in a pass, one after another.
///
/// A layer is skipped, recorded, computed again in the backward pass, or transforms some frames only, as the pass and its
/// plan have it.
struct LayerRunner {
    private let encoder: TransformerEncoder
    private let skips: [Bool]
    /// The number of the layer whose output is the encoder's, if that is a layer's.
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
    /// - Returns: The same shape, or the frames that are read.
    mutating func callAsFunction(
        _ layer: EncoderLayer, _ input: Tensor, _ layout: RaggedLayout
    ) throws -> Tensor {
        defer { next += 1 }
        let output = skips[next] ? input : try run(layer, input, layout)
        pass.probe?(encoder.keyedLayers[next].key, output)
        return output
    }

    private mutating func run(_ layer: EncoderLayer, _ input: Tensor, _ layout: RaggedLayout) throws -> Tensor {
        // The dropouts of a layer are the same whether or not others are left out.
        let mode = pass.mode.forLayer(next)
        let rows = next == last && pass.plan.skipsUnreadFrames ? rows : nil
        hasReadRows = rows != nil
        func run(_ input: Tensor, _ mode: Module.Mode) throws -> Tensor {
            try layer(input, layout, readRows: rows, mode)
        }
        let result =
            try encoder.recomputes
            ? recomputing(input, parameters: layer.parameters().map(\.tensor), mode, run) : run(input, mode)
        return try pass.keptLayers.map {
            try .choose($0.selected(0, next), result, else: rows.map(input.takingRows) ?? input)
        } ?? result
    }

    /// The frames that are read, of what the layers have made.
    func readRows(of hidden: Tensor) throws -> Tensor {
        hasReadRows ? hidden : try rows.map(hidden.takingRows) ?? hidden
    }
}

extension TransformerEncoder {
    /// Which layers a pass leaves out, by LayerDrop (Fan, Grave and Joulin 2019) or for being too deep, in the order in
    /// which they run.
    fileprivate func skippedLayers(_ pass: ForwardPass) -> [Bool] {
        let count = layers.count + (hourglass.map { $0.layers.count + $0.post.count } ?? 0)
        let isTooDeep = (0..<count).map { $0 >= pass.plan.depth ?? .max }
        guard layerDrop > 0, var decisions = pass.layerDrop else { return isTooDeep }
        return isTooDeep.map { isTooDeep in decisions.uniform() < layerDrop || isTooDeep }
    }

    /// Which layers' results a pass uses, for one that has all of them run.
    ///
    /// - Returns: bool [layers], in the order in which they run; `nil` if no pass leaves any out.
    public func keptLayers(_ pass: ForwardPass) throws -> Tensor? {
        layerDrop > 0 ? try Tensor(skippedLayers(pass).map { !$0 }) : nil
    }

    /// The parameters of the layers that are left out: a pass leaves them without gradients.
    ///
    /// - Returns: Names, such as `layers.3.fc1.weight`.
    func droppedParameters(_ pass: ForwardPass) -> Set<String> {
        let dropped = zip(keyedLayers, skippedLayers(pass)).filter(\.1).map { $0.0.key + "." }
        return Set(parameters().map(\.name).filter { name in dropped.contains(where: name.hasPrefix) })
    }
}
