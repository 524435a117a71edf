import W2VBase
import W2VTorch

/// The settings of one forward pass through the model.
public struct ForwardPass {
    /// Training with dropout, or inference.
    public var mode: Module.Mode
    /// The random numbers of LayerDrop; `nil` keeps all layers.
    public var layerDrop: RandomStream?
    /// The transformer layers whose results are used, bool [layers]; `nil` lets LayerDrop skip the others.
    ///
    /// All of them run: recorded work does the same each time, and reads this choice from memory.
    public var keptLayers: Tensor?
    /// The extent of the computation.
    public var plan = ExecutionPlan.lean
    /// A closure that receives intermediate results by name, such as `layers.3` or `pos_conv`, without changing them.
    public var probe: ((String, Tensor) -> Void)?

    /// A pass without dropout.
    public static var inference: ForwardPass { ForwardPass(mode: .inference, layerDrop: nil, probe: nil) }

    /// Makes a training pass.
    ///
    /// Dropout masks depend on (seed, update, micro-batch), LayerDrop on (seed, update) only, so that all micro-batches of
    /// an update skip the same layers.
    public static func training(seed: UInt64, update: Int, microBatch: Int = 0) -> ForwardPass {
        ForwardPass(
            mode: .training(DropoutSource(dropoutStream(seed, update, microBatch))),
            layerDrop: RandomStream(seed: seed, purpose: .layerDrop, step: update), probe: nil)
    }

    /// Makes a training pass whose work is recorded once and replayed (CUDA graphs): it reads the numbers that its
    /// dropouts depend on from memory, so that each replay has masks of its own.
    ///
    /// - Parameters:
    ///   - dropoutBase: The value of ``dropoutBase(seed:update:microBatch:)``, an int64 scalar.
    ///   - keptLayers: The value of ``TransformerEncoder/keptLayers(_:)``, bool [layers]; `nil` without LayerDrop.
    /// - Returns: A pass that computes the same as ``training(seed:update:microBatch:)``.
    public static func recorded(dropoutBase: Tensor, keptLayers: Tensor?) -> ForwardPass {
        ForwardPass(
            mode: .training(DropoutSource(base: dropoutBase)), layerDrop: nil, keptLayers: keptLayers, probe: nil)
    }

    /// Returns the number that a recorded pass's dropout masks depend on.
    public static func dropoutBase(seed: UInt64, update: Int, microBatch: Int) -> Int64 {
        DropoutSource.base(dropoutStream(seed, update, microBatch))
    }

    private static func dropoutStream(_ seed: UInt64, _ update: Int, _ microBatch: Int) -> RandomStream {
        RandomStream(seed: seed, purpose: .dropout, step: update, index: microBatch)
    }
}
