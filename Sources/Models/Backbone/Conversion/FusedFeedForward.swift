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
            ? try trained(input, mode, keeping: kept, recordsBias: true) : try contract(expand.withGELU(input))
    }

    override func branch(
        _ input: Tensor, recordsBias: Bool, _ mode: Mode, keeping kept: KeptActivations
    ) throws -> Branch {
        guard mode.isTraining, !recordsBias else { return try Branch(self(input, mode, keeping: kept)) }
        return Branch(try trained(input, mode, keeping: kept, recordsBias: false), unrecordedBias: contract.bias)
    }

    private func trained(
        _ input: Tensor, _ mode: Mode, keeping kept: KeptActivations, recordsBias: Bool
    ) throws -> Tensor {
        try contract(
            geluOf: expand, input, dropout: dropout, mode, recordsBias: recordsBias,
            keepsActivation: kept.contains(.feedForward))
    }
}
