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

    func pack(_ format: PackedWeight.Format) {
        projection.pack(format)
        output.pack(format)
    }

    /// From [frames, channels] to the same shape.
    func callAsFunction(_ input: Tensor, _ layout: RaggedLayout, _ mode: Mode) throws -> Tensor {
        let fused = try projection(input)
        if fused.takesRaggedSelfAttention(heads: heads), dropout < 1 {
            let drops = dropout > 0 ? mode.nextDropoutSeed().map { WeightDropout(dropout, $0) } : nil
            return try output(
                fused.raggedSelfAttention(
                    offsets: layout.offsets(on: fused.device), longest: layout.lengths.max() ?? 0, heads: heads,
                    dropout: drops))
        }
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

/// Some heads of an utterance, whose weights are in memory at the same time.
private struct AttentionPart {
    let rows: Range<Int>
    let heads: Range<Int>
    let dropout: WeightDropout?
}

/// Attention with gradients, part by part, which keeps only the projections.
///
/// The backward pass computes the weights again (as Dao et al. 2022 do on GPUs): a small product more, and no
/// [heads, frames, frames] matrix stays in memory from one pass to the other. In host memory each thread has the weights
/// of one head at a time, so that they stay in its cache between one product and the next.
private func trainingAttention(
    _ fused: Tensor, _ layout: RaggedLayout, heads: Int, dropout: Double, softmaxInFP32: Bool, _ mode: Mode
) throws -> Tensor {
    let type = fused.dtype
    let exact = softmaxInFP32 && type.isHalfPrecision ? DType.float32 : type
    let channels = fused.size(1) / 3
    let width = channels / heads
    let scale = 1 / Double(width).squareRoot()
    // [heads, frames, width] views of a part's thirds, and of its rows of a [frames, channels] tensor.
    func third(_ tensor: Tensor, _ part: AttentionPart, _ index: Int) throws -> Tensor {
        try byHead(tensor.narrowed(1, index * channels..<(index + 1) * channels), part)
    }
    func byHead(_ tensor: Tensor, _ part: AttentionPart) throws -> Tensor {
        try tensor.rows(part.rows).viewed(part.rows.count, heads, width).transposed(0, 1).narrowed(0, part.heads)
    }
    /// Products [heads, frames, frames].
    func products(_ left: Tensor, _ right: Tensor, scale: Double = 1) throws -> Tensor {
        let (heads, frames) = (left.size(0), left.size(1))
        let products = try Tensor.empty([heads, frames, frames], dtype: type, device: fused.device)
        try products.setProductInPlace(left, right.transposed(), scale: scale)
        return products
    }
    func scores(_ part: AttentionPart) throws -> Tensor {
        try products(third(fused, part, 0), third(fused, part, 1), scale: scale)
    }
    let together = fused.fitsHostKernels && dropout < 1 ? min(heads, LibTorch.threads) : heads
    let parts = layout.lengths.enumerated().flatMap { utterance, length in
        let dropout = dropout > 0 ? mode.nextDropoutSeed().map { WeightDropout(dropout, $0) } : nil
        return stride(from: 0, to: heads, by: together).map { first in
            AttentionPart(
                rows: layout.rows(utterance), heads: first..<min(heads, first + together),
                dropout: dropout?.starting(at: first * length * length))
        }
    }
    return try differentiable("self-attention", [fused]) {
        let context = try Tensor.empty([layout.total, channels], dtype: type, device: fused.device)
        for part in parts {
            let weights = try scores(part).attentionWeights(part.dropout, softmaxIn: exact)
            try byHead(context, part).setProductInPlace(weights, third(fused, part, 2))
        }
        return (
            [context],
            { gradients, _ in
                guard let gradient = try gradients[0]?.contiguous() else { return [nil] }
                let result = try fused.emptyLike()
                for part in parts {
                    let incoming = try byHead(gradient, part)
                    let (weights, scores) = try scores(part).attentionWeightsBackward(
                        products(incoming, third(fused, part, 2)), scale: scale, part.dropout, softmaxIn: exact)
                    try third(result, part, 0).setProductInPlace(scores, third(fused, part, 1))
                    try third(result, part, 1).setProductInPlace(scores.transposed(), third(fused, part, 0))
                    try third(result, part, 2).setProductInPlace(weights.transposed(), incoming)
                }
                return [result]
            }
        )
    }[0]
}
