import W2VKernels
import W2VTorch

/// Self-attention by the kernels for the tensors' device, which do not store the matrix of weights.
final class FusedSelfAttention: SelfAttention {
    /// Whether the softmax of half-precision scores is FP32, if the kernel leaves the choice.
    private let softmaxInFP32: Bool

    /// Makes a block that replaces another.
    init(_ other: SelfAttention, softmaxInFP32: Bool) {
        self.softmaxInFP32 = softmaxInFP32
        super.init(sharing: other)
    }

    override func shapeConstants(_ layout: RaggedLayout) -> [ShapeConstant] {
        projection.weight.supportsRaggedSelfAttention(heads: heads) ? [layout.offsetsConstant] : []
    }

    override func context(_ input: Tensor, _ layout: RaggedLayout, _ mode: Module.Mode) throws -> Tensor {
        if projection.weight.supportsRaggedSelfAttention(heads: heads), dropout < 1 {
            let drops = dropout > 0 ? mode.nextDropoutSeed().map { WeightDropout(dropout, $0) } : nil
            let (fused, bias) = try projection.withUnrecordedBias(input)
            return try fused.raggedSelfAttention(
                offsets: layout.offsetsConstant(on: fused.device), longest: layout.lengths.max() ?? 0, heads: heads,
                dropout: drops, bias: bias)
        }
        let fused = try projection(input)
        if fused.supportsHostSelfAttention(heads: heads), dropout < 1 {
            let drops = dropout > 0 ? layout.lengths.compactMap { _ in mode.nextDropoutSeed() } : []
            return try fused.hostSelfAttention(
                lengths: layout.lengths, heads: heads, dropouts: drops.map { WeightDropout(dropout, $0) })
        }
        let isTraining = mode.isTraining || (isGradientEnabled && fused.requiresGradient)
        return isTraining
            ? try trainingAttention(
                fused, layout, heads: heads, dropout: dropout, softmaxInFP32: softmaxInFP32, mode)
            : try inferenceAttention(fused, layout, heads: heads)
    }
}

/// Returns the utterances of a layout as runs of equal length, each of which is one batched product.
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

/// Computes attention without gradients: LibTorch's fused kernel, which never stores the matrix of weights.
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

/// Computes attention with gradients, utterance by utterance, keeping only the projections.
///
/// The backward pass recomputes the weights (as in Dao et al. 2022): one more small product, but no [heads, frames,
/// frames] matrix is kept from the forward to the backward pass.
private func trainingAttention(
    _ fused: Tensor, _ layout: RaggedLayout, heads: Int, dropout: Double, softmaxInFP32: Bool, _ mode: Module.Mode
) throws -> Tensor {
    let type = fused.dtype
    let exact = softmaxInFP32 && type.isHalfPrecision ? DType.float32 : type
    let channels = fused.size(1) / 3
    let width = channels / heads
    let scale = 1 / Double(width).squareRoot()
    // [heads, frames, width] views of an utterance's thirds, and of its rows of a [frames, channels] tensor.
    func third(_ tensor: Tensor, _ rows: Range<Int>, _ index: Int) throws -> Tensor {
        try byHead(tensor.narrowed(1, index * channels..<(index + 1) * channels), rows)
    }
    func byHead(_ tensor: Tensor, _ rows: Range<Int>) throws -> Tensor {
        try tensor.rows(rows).viewed(rows.count, heads, width).transposed(0, 1)
    }
    /// Returns products [heads, frames, frames].
    func products(_ left: Tensor, _ right: Tensor, scale: Double = 1) throws -> Tensor {
        let products = try Tensor.empty([heads, left.size(1), left.size(1)], dtype: type, device: fused.device)
        try products.setProductInPlace(left, right.transposed(), scale: scale)
        return products
    }
    func scores(_ rows: Range<Int>) throws -> Tensor {
        try products(third(fused, rows, 0), third(fused, rows, 1), scale: scale)
    }
    let utterances = (0..<layout.count).map { utterance in
        (layout.rows(utterance), dropout > 0 ? mode.nextDropoutSeed().map { WeightDropout(dropout, $0) } : nil)
    }
    return try differentiable("self-attention", [fused]) {
        let context = try Tensor.empty([layout.total, channels], dtype: type, device: fused.device)
        for (rows, dropout) in utterances {
            let weights = try scores(rows).attentionWeights(dropout, softmaxIn: exact)
            try byHead(context, rows).setProductInPlace(weights, third(fused, rows, 2))
        }
        return (
            [context],
            { gradients, _ in
                guard let gradient = try gradients[0]?.contiguous() else { return [nil] }
                let result = try fused.emptyLike()
                for (rows, dropout) in utterances {
                    let incoming = try byHead(gradient, rows)
                    let (weights, scores) = try scores(rows).attentionWeightsBackward(
                        products(incoming, third(fused, rows, 2)), scale: scale, dropout, softmaxIn: exact)
                    try third(result, rows, 0).setProductInPlace(scores, third(fused, rows, 1))
                    try third(result, rows, 1).setProductInPlace(scores.transposed(), third(fused, rows, 0))
                    try third(result, rows, 2).setProductInPlace(weights.transposed(), incoming)
                }
                return [result]
            }
        )
    }[0]
}
