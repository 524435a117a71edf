import Kernels
import Torch

/// The position-wise feed-forward block: two linear layers with a nonlinearity between them.
final class FeedForward: Module {
    @Child("fc1") var expand: Linear
    @Child("fc2") var contract: Linear
    private let activation: ModelConfiguration.Activation
    private let dropout: Double

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        activation = configuration.activationFn
        dropout = configuration.activationDropout
        super.init()
        let (channels, inner) = (configuration.encoderEmbedDim, configuration.encoderFfnEmbedDim)
        expand = try Linear(channels, inner, start: .normal(0.02), initializer: initializer)
        contract = try Linear(inner, channels, start: .normal(0.02), initializer: initializer)
    }

    func callAsFunction(_ input: Tensor, _ mode: Mode) throws -> Tensor {
        // GELU goes with the first product where nothing drops, else with the second.
        if activation == .gelu, mode.isTraining {
            return try contract(geluOf: expand, input, dropout: dropout, mode)
        }
        let hidden = try expand(input, gelu: activation == .gelu)
        let activated =
            switch activation {
            case .gelu, .linear: hidden
            case .geluAccurate, .geluFast: try hidden.geluApproximated()
            case .relu: try hidden.relu()
            case .reluSquared: try hidden.relu().squared()
            case .tanh: try hidden.tanh()
            case .swish: try hidden.silu()
            }
        return try contract(activated.dropout(dropout, mode))
    }

    /// The large products.
    var products: [Linear] { [expand, contract] }
}

/// One transformer layer: self-attention and feed-forward, each with residual and normalisation.
final class EncoderLayer: Module {
    @Child("self_attn") var attention: SelfAttention
    @Child("self_attn_layer_norm") var attentionNorm: LayerNorm
    @Child("") var feedForward: FeedForward
    @Child("final_layer_norm") var finalNorm: LayerNorm
    private let normFirst: Bool
    private let dropout: Double

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        normFirst = configuration.layerNormFirst
        dropout = configuration.dropout
        super.init()
        attention = try SelfAttention(configuration, initializer: initializer)
        attentionNorm = try LayerNorm(configuration.encoderEmbedDim, initializer: initializer)
        feedForward = try FeedForward(configuration, initializer: initializer)
        finalNorm = try LayerNorm(configuration.encoderEmbedDim, initializer: initializer)
    }

    /// Runs the layer.
    ///
    /// - Parameters:
    ///   - input: [frames, channels].
    ///   - layout: Where utterances lie.
    ///   - rows: The frames that somebody reads, int64, each at most once; `nil` for all. All of them are attended to.
    ///   - mode: Whether dropouts drop.
    /// - Returns: [frames, channels], or as many rows as are read.
    /// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
    func callAsFunction(
        _ input: Tensor, _ layout: RaggedLayout, reading rows: Tensor? = nil, _ mode: Mode
    ) throws -> Tensor {
        func attend(_ input: Tensor) throws -> Tensor {
            try profiled(.attention) { try attention(input, layout, reading: rows, mode) }
        }
        let residual = try rows.map(input.takingRows) ?? input
        if normFirst {
            let hidden = try residual + attend(attentionNorm(input)).dropout(dropout, mode)
            return try hidden + transform(finalNorm(hidden), mode).dropout(dropout, mode)
        }
        let hidden = try attentionNorm(residual, adding: attend(input), dropout: dropout, mode)
        return try finalNorm(hidden, adding: transform(hidden, mode), dropout: dropout, mode)
    }

    /// The large products.
    var products: [Linear] { attention.products + feedForward.products }

    private func transform(_ input: Tensor, _ mode: Mode) throws -> Tensor {
        try profiled(.feedForward) { try feedForward(input, mode) }
    }
}
