import W2VKernels
import W2VTorch

/// One transformer layer: self-attention and feed-forward, each with residual and normalization.
package final class EncoderLayer: Module {
    @Child("self_attn") package var attention: SelfAttention
    @Child("self_attn_layer_norm") package var attentionNorm: LayerNorm
    @Child("") package var feedForward: FeedForward
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
    ///   - rows: The frames whose results are needed, int64, each at most once; `nil` for all. They attend to all
    ///     frames.
    ///   - kept: The activations that are kept for the backward pass instead of being recomputed.
    /// - Returns: [frames, channels], or only the rows that are needed.
    func callAsFunction(
        _ input: ResidualStream, _ layout: RaggedLayout, readRows rows: Tensor? = nil, _ mode: Mode,
        keeping kept: KeptActivations = []
    ) throws -> ResidualStream {
        func attend(_ input: Tensor, recordsBias: Bool = true) throws -> Branch {
            try profiled(.attention) {
                try attention.branch(input, layout, readRows: rows, recordsBias: recordsBias, mode)
            }
        }
        func transform(_ input: Tensor, recordsBias: Bool = true) throws -> Branch {
            try profiled(.feedForward) { try feedForward.branch(input, recordsBias: recordsBias, mode, keeping: kept) }
        }
        let residual = try rows.map(input.residual.takingRows) ?? input.residual
        if normFirst {
            let hidden = try residual + attend(attentionNorm(input.branch)).values.dropout(dropout, mode)
            return try ResidualStream(hidden + transform(finalNorm(hidden)).values.dropout(dropout, mode))
        }
        // norm(x, joining: y, dropout: p) is LayerNorm(x + dropout(y)), in one pass over memory.
        let attended = try attend(input.branch, recordsBias: !attentionNorm.sumsGradients(of: residual))
        let hidden = try attentionNorm(residual, joining: attended, dropout: dropout, mode)
        let transformed = try transform(hidden.branch, recordsBias: !finalNorm.sumsGradients(of: hidden.residual))
        return try finalNorm(hidden.residual, joining: transformed, dropout: dropout, mode)
    }
}
