import Torch

/// Multi-head self-attention within each utterance.
///
/// Queries, keys and values come from one fused projection; fairseq's `q_proj`, `k_proj` and `v_proj` are its thirds.
/// Source: Vaswani et al. 2017.
final class SelfAttention: Module {
    @Child("qkv_proj") var projection: Linear
    @Child("out_proj") var output: Linear
    /// Whether the softmax of half-precision scores is FP32.
    var softmaxInFP32 = false
    private let heads: Int
    private let dropout: Double

    init(_ configuration: ModelConfiguration, initializer: Initializer) throws {
        heads = configuration.encoderAttentionHeads
        dropout = configuration.attentionDropout
        super.init()
        let channels = configuration.encoderEmbedDim
        projection = try Linear(channels, 3 * channels, start: .normal(0.02), initializer: initializer)
        output = try Linear(channels, channels, start: .normal(0.02), initializer: initializer)
    }

    func pack(_ format: PackedWeight.Format) throws {
        try projection.pack(format)
        try output.pack(format)
    }

    /// From [frames, channels] to the same shape.
    func callAsFunction(_ input: Tensor, _ layout: RaggedLayout, _ mode: Mode) throws -> Tensor {
        let fused = try projection(input)
        let isTraining = mode.isTraining || (isGradientEnabled && fused.requiresGradient)
        return try output(
            isTraining
                ? trainingAttention(
                    fused, layout, heads: heads, dropout: dropout, softmaxInFP32: softmaxInFP32, mode)
                : inferenceAttention(fused, layout, heads: heads))
    }
}

/// The utterances of a layout as runs of equal length, each of which is one batched product.
private func runs(_ layout: RaggedLayout) -> [(length: Int, count: Int, rows: Range<Int>)] {
    var runs: [(length: Int, count: Int, rows: Range<Int>)] = []
    for (utterance, length) in layout.lengths.enumerated() {
        let rows = layout.rows(utterance)
        if let last = runs.last, last.length == length {
            runs[runs.count - 1] = (length, last.count + 1, last.rows.lowerBound..<rows.upperBound)
        } else {
            runs.append((length, 1, rows))
        }
    }
    return runs
}

/// Attention without gradients: LibTorch's fused kernel, which never holds the matrix of weights.
private func inferenceAttention(_ fused: Tensor, _ layout: RaggedLayout, heads: Int) throws -> Tensor {
    let channels = fused.size(1) / 3
    let parts = try runs(layout).map { run in
        let thirds = try fused.rows(run.rows)
            .viewed(run.count, run.length, 3, heads, channels / heads).permuted(2, 0, 3, 1, 4)
        let context = try Tensor.attention(thirds.selected(0, 0), thirds.selected(0, 1), thirds.selected(0, 2))
        return try context.transposed(1, 2).reshaped(run.rows.count, channels)
    }
    return try .concatenate(parts)
}

/// Attention with gradients, utterance by utterance, which keeps only the projections.
///
/// The backward pass computes the weights again (as Dao et al. 2022 do on GPUs): two small products more, and no
/// [heads, frames, frames] matrix stays in memory from one pass to the other.
private func trainingAttention(
    _ fused: Tensor, _ layout: RaggedLayout, heads: Int, dropout: Double, softmaxInFP32: Bool, _ mode: Mode
) throws -> Tensor {
    let type = fused.dtype
    let exact = softmaxInFP32 && type.isHalfPrecision ? DType.float32 : type
    let channels = fused.size(1) / 3
    let width = channels / heads
    let scale = 1 / Double(width).squareRoot()
    // [heads, frames, width] views of an utterance's thirds, and of its rows of a [frames, channels] tensor.
    func third(_ tensor: Tensor, _ rows: Range<Int>, _ index: Int) throws -> Tensor {
        try tensor.rows(rows).narrowed(1, index * channels..<(index + 1) * channels)
            .viewed(rows.count, heads, width).transposed(0, 1)
    }
    func byHead(_ tensor: Tensor, _ rows: Range<Int>) throws -> Tensor {
        try tensor.rows(rows).viewed(rows.count, heads, width).transposed(0, 1)
    }
    func weights(_ rows: Range<Int>) throws -> Tensor {
        // In FP16 the product could leave the range before it is scaled: one of its factors is.
        let query = try third(fused, rows, 0)
        let scores = try (type == .float16 ? query * scale : query).matmul(third(fused, rows, 1).transposed())
        if type != .float16 { try scores.scaleInPlace(scale) }
        return try scores.softmax(-1, dtype: exact)
    }
    let dropsOut = mode.isTraining && dropout > 0
    var seeds: [DropoutSeed?] = []
    for _ in 0..<layout.count { seeds.append(dropsOut ? mode.nextDropoutSeed() : nil) }
    return try differentiable("self-attention", [fused]) {
        let context = try Tensor.empty([layout.total, channels], dtype: fused.dtype, device: fused.device)
        for utterance in 0..<layout.count {
            let rows = layout.rows(utterance)
            var attention = try weights(rows)
            if let seed = seeds[utterance] { attention = try attention.droppingOut(dropout, seed) }
            try byHead(context, rows).copy(from: attention.to(dtype: type).matmul(third(fused, rows, 2)))
        }
        return (
            [context],
            { gradients, _ in
                guard let gradient = try gradients[0]?.contiguous() else { return [nil] }
                let result = try fused.emptyLike()
                for utterance in 0..<layout.count {
                    let rows = layout.rows(utterance)
                    let attention = try weights(rows)
                    let incoming = try byHead(gradient, rows)
                    var dropped = attention
                    var attentionGradient = try incoming.matmul(third(fused, rows, 2).transposed())
                    if let seed = seeds[utterance] {
                        dropped = try attention.droppingOut(dropout, seed)
                        attentionGradient = try attentionGradient.droppingOut(dropout, seed)
                    }
                    try third(result, rows, 2).copy(from: dropped.to(dtype: type).transposed().matmul(incoming))
                    let scores = try attention.softmaxBackward(attentionGradient.to(dtype: exact)).to(dtype: type)
                    try scores.scaleInPlace(scale)
                    try third(result, rows, 0).copy(from: scores.matmul(third(fused, rows, 1)))
                    try third(result, rows, 1).copy(from: scores.transposed().matmul(third(fused, rows, 0)))
                }
                return [result]
            }
        )
    }[0]
}
