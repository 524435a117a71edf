import W2VKernels
import W2VTorch

/// The position-wise feed-forward block: two linear layers with a nonlinearity between them.
package class FeedForward: Module {
    @Child("fc1") final var expand: Linear
    @Child("fc2") final var contract: Linear
    final let activation: ModelConfiguration.Activation
    final let dropout: Double

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        activation = configuration.activationFn
        dropout = configuration.activationDropout
        super.init()
        let (channels, inner) = (configuration.encoderEmbedDim, configuration.encoderFfnEmbedDim)
        expand = try Linear(channels, inner, start: .normal(0.02), initializer: initializer)
        contract = try Linear(inner, channels, start: .normal(0.02), initializer: initializer)
    }

    /// Makes a block that replaces another.
    init(sharing other: FeedForward) {
        (activation, dropout) = (other.activation, other.dropout)
        super.init()
        (_expand, _contract) = (other._expand, other._contract)
    }

    /// Maps [frames, channels] to the same shape.
    ///
    /// - Parameter kept: The activations that are kept for the backward pass instead of being recomputed.
    package func callAsFunction(_ input: Tensor, _ mode: Mode, keeping kept: KeptActivations) throws -> Tensor {
        let hidden = try activation(expand(input))
        return try contract(hidden.dropout(dropout, mode))
    }

    /// Maps [frames, channels] to the same shape, keeping as little as possible.
    package final func callAsFunction(_ input: Tensor, _ mode: Mode) throws -> Tensor {
        try self(input, mode, keeping: [])
    }

    /// Computes the block as a branch.
    ///
    /// - Parameters:
    ///   - recordsBias: Whether the last product's bias gets its gradient from the result in any case.
    ///   - kept: The activations that are kept for the backward pass instead of being recomputed.
    /// - Throws: `TorchError.operation` for sizes that do not match.
    func branch(
        _ input: Tensor, recordsBias: Bool, _ mode: Mode, keeping kept: KeptActivations
    ) throws -> Branch {
        try Branch(self(input, mode, keeping: kept))
    }
}

extension ModelConfiguration.Activation {
    /// Applies the nonlinearity to each element.
    func callAsFunction(_ input: Tensor) throws -> Tensor {
        switch self {
        case .gelu: try input.gelu()
        case .linear: input
        case .geluAccurate, .geluFast: try input.geluApproximated()
        case .relu: try input.relu()
        case .reluSquared: try input.relu().squared()
        case .tanh: try input.tanh()
        case .swish: try input.silu()
        }
    }
}
