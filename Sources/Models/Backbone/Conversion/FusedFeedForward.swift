import W2VKernels
import W2VTorch

/// A feed-forward block whose GELU is part of a product, with the same results.
///
/// In training it goes with the second product, whose input is not kept for the backward pass, but computed again; else with
/// the first one.
final class FusedFeedForward: FeedForward {
    /// Makes a block that takes the place of one whose nonlinearity is GELU.
    override init(sharing other: FeedForward) {
        precondition(other.activation == .gelu, "a feed-forward block without GELU has nothing to fuse")
        super.init(sharing: other)
    }

    override func callAsFunction(_ input: Tensor, _ mode: Mode) throws -> Tensor {
        mode.isTraining
            ? try contract(geluOf: expand, input, dropout: dropout, mode)
            : try contract(expand.withGELU(input))
    }
}
