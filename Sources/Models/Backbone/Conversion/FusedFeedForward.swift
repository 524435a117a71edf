import W2VKernels
import W2VTorch

/// A feed-forward block with GELU fused into a product, with the same results.
///
/// In training GELU is fused with the second product, whose input is recomputed in the backward pass, not kept, unless
/// memory is plentiful (``KeptActivations``); in inference with the first one.
final class FusedFeedForward: FeedForward {
    /// Makes a block that replaces one whose nonlinearity is GELU.
    override init(sharing other: FeedForward) {
        precondition(other.activation == .gelu, "a feed-forward block without GELU has nothing to fuse")
        super.init(sharing: other)
    }

    override func callAsFunction(_ input: Tensor, _ mode: Mode, keeping kept: KeptActivations) throws -> Tensor {
        mode.isTraining
            ? try contract(
                geluOf: expand, input, dropout: dropout, mode, keepsActivation: kept.contains(.feedForward))
            : try contract(expand.withGELU(input))
    }

    override func branch(
        _ input: Tensor, recordsBias: Bool, _ mode: Mode, keeping kept: KeptActivations
    ) throws -> Branch {
        guard mode.isTraining, !recordsBias else { return try Branch(self(input, mode, keeping: kept)) }
        let values = try contract(
            geluOf: expand, input, dropout: dropout, mode, recordsBias: false,
            keepsActivation: kept.contains(.feedForward))
        return Branch(values, unrecordedBias: contract.bias)
    }
}
