import W2VBase
import W2VTorch

/// What one forward pass through the model needs to know besides its input.
public struct ForwardPass {
    /// Whether dropouts drop.
    public var mode: Mode
    /// Decides which layers LayerDrop skips; `nil` keeps all.
    public var layerDrop: RandomStream?
    /// Which transformer layers' results are used, bool [layers]; `nil` has LayerDrop skip the others.
    ///
    /// All of them run: recorded work does the same each time, and reads from memory what comes of it.
    public var keptLayers: Tensor?
    /// How much of the pass is computed.
    public var plan = ExecutionPlan.lean
    /// Sees intermediate results by name, such as `layers.3` or `pos_conv`; what is computed does not depend on it.
    public var probe: ((String, Tensor) -> Void)?

    /// No dropouts.
    public static var inference: ForwardPass { ForwardPass(mode: .inference, layerDrop: nil, probe: nil) }

    /// A training pass that reads from memory what is dropped.
    ///
    /// - Parameters:
    ///   - dropoutBase: What ``dropoutBase(seed:update:microBatch:)`` gives: int64, a single number.
    ///   - keptLayers: What ``TransformerEncoder/keptLayers(_:)`` gives, bool [layers]; `nil` without LayerDrop.
    /// - Returns: A pass that computes what ``training(seed:update:microBatch:)`` does.
    public static func recorded(dropoutBase: Tensor, keptLayers: Tensor?) -> ForwardPass {
        ForwardPass(
            mode: .training(DropoutSource(base: dropoutBase)), layerDrop: nil, keptLayers: keptLayers, probe: nil)
    }

    /// What a recorded pass's dropout masks depend on.
    public static func dropoutBase(seed: UInt64, update: Int, microBatch: Int) -> Int64 {
        DropoutSource.base(dropoutStream(seed, update, microBatch))
    }

    private static func dropoutStream(_ seed: UInt64, _ update: Int, _ microBatch: Int) -> RandomStream {
        RandomStream(seed: seed, purpose: .dropout, step: update, index: microBatch)
    }

    /// A training pass.
    ///
    /// Dropout masks depend on (seed, update, micro-batch), LayerDrop on (seed, update) only, so that all micro-batches of
    /// an update skip the same layers.
    public static func training(seed: UInt64, update: Int, microBatch: Int = 0) -> ForwardPass {
        ForwardPass(
            mode: .training(DropoutSource(dropoutStream(seed, update, microBatch))),
            layerDrop: RandomStream(seed: seed, purpose: .layerDrop, step: update), probe: nil)
    }
}
