import Randomness
import Torch

/// What one forward pass through the model needs to know besides its input.
public struct ForwardPass {
    /// Whether dropouts drop.
    public var mode: Mode
    /// Decides which layers LayerDrop skips; `nil` keeps all.
    public var layerDrop: RandomStream?
    /// How many transformer layers run, for those who want none of the later ones; the rest pass their input on.
    public var depth: Int?
    /// Sees intermediate results by name, such as `layers.3` or `pos_conv`.
    public var probe: ((String, Tensor) -> Void)?

    /// No dropouts.
    public static var inference: ForwardPass { ForwardPass(mode: .inference, layerDrop: nil, probe: nil) }

    /// A training pass.
    ///
    /// Dropout masks depend on (seed, update, rank, micro-batch), LayerDrop on (seed, update) only, so that all ranks
    /// and accumulation steps skip the same layers.
    public static func training(seed: UInt64, update: Int, rank: Int = 0, microBatch: Int = 0) -> ForwardPass {
        ForwardPass(
            mode: .training(
                DropoutSource(
                    RandomStream(seed: seed, purpose: .dropout, step: update, index: rank << 24 | microBatch))),
            layerDrop: RandomStream(seed: seed, purpose: .layerDrop, step: update), probe: nil)
    }
}
