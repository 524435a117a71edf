import W2VKernels
import W2VTorch

/// Multi-head self-attention within each utterance.
///
/// Queries, keys and values come from one fused projection; fairseq's `q_proj`, `k_proj` and `v_proj` are its thirds.
/// Source: Vaswani et al. 2017, section 3.2.
package class SelfAttention: Module {
    @Child("qkv_proj") final var projection: Linear
    @Child("out_proj") final var output: Linear
    final let heads: Int
    final let dropout: Double

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        heads = configuration.encoderAttentionHeads
        dropout = configuration.attentionDropout
        super.init()
        let channels = configuration.encoderEmbedDim
        projection = try Linear(channels, 3 * channels, start: .normal(0.02), initializer: initializer)
        output = try Linear(channels, channels, start: .normal(0.02), initializer: initializer)
    }

    /// Makes a block that replaces another.
    init(sharing other: SelfAttention) {
        (heads, dropout) = (other.heads, other.dropout)
        super.init()
        (_projection, _output) = (other._projection, other._output)
    }

    /// Computes attention.
    ///
    /// - Parameters:
    ///   - input: [frames, channels].
    ///   - rows: The frames whose results are needed, int64, each at most once; `nil` for all. They attend to all
    ///     frames.
    /// - Returns: [frames, channels], or only the rows that are needed.
    package final func callAsFunction(
        _ input: Tensor, _ layout: RaggedLayout, readRows rows: Tensor? = nil, _ mode: Mode
    ) throws -> Tensor {
        try output(readContext(input, layout, rows, mode))
    }

    /// Computes attention as a branch.
    ///
    /// - Parameter recordsBias: Whether the last product's bias gets its gradient from the result.
    /// - Throws: `TorchError.operation` for sizes that do not match.
    final func branch(
        _ input: Tensor, _ layout: RaggedLayout, readRows rows: Tensor? = nil, recordsBias: Bool, _ mode: Mode
    ) throws -> Branch {
        let context = try readContext(input, layout, rows, mode)
        guard !recordsBias else { return try Branch(output(context)) }
        let (values, bias) = try output.withUnrecordedBias(context)
        return Branch(values, unrecordedBias: bias)
    }

    private func readContext(
        _ input: Tensor, _ layout: RaggedLayout, _ rows: Tensor?, _ mode: Mode
    ) throws -> Tensor {
        let context = try context(input, layout, mode)
        return try rows.map(context.takingRows) ?? context
    }

    /// Returns the constants that attention over a layout reads.
    func shapeConstants(_ layout: RaggedLayout) -> [ShapeConstant] { [] }

    /// Returns the values of each head, weighted by softmax(Q Kᵀ / √d) (equation 1): [frames, channels].
    func context(_ input: Tensor, _ layout: RaggedLayout, _ mode: Mode) throws -> Tensor {
        let fused = try projection(input)
        let channels = input.size(1)
        let width = channels / heads
        let utterances = try (0..<layout.count).map { utterance in
            let rows = layout.rows(utterance)
            // Each [heads, frames, width].
            let thirds = try fused.rows(rows).viewed(rows.count, 3, heads, width).permuted(1, 2, 0, 3)
            let (queries, keys, values) = try (thirds.selected(0, 0), thirds.selected(0, 1), thirds.selected(0, 2))
            let scores = try queries.matmul(keys.transposed()) * (1 / Double(width).squareRoot())
            let weights = try scores.softmax(-1).dropout(dropout, mode)
            return try weights.matmul(values).transposed(0, 1).reshaped(rows.count, channels)
        }
        return try .concatenate(utterances)
    }
}
