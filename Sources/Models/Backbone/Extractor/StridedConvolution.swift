import W2VKernels
import W2VTorch

/// Returns a strided convolution over time-major rows as plain matrix products over views: no transposes, no im2col
/// copy.
///
/// For stride s the rows [N · s, C] are viewed as V: [N, s · C]. The first s taps are one product with V, the next s taps
/// one product with V shifted by one row, and so on:
///
///     out[n] = Σⱼ V[n + j] · Wⱼ        dV[n] = Σⱼ g[n − j] · Wⱼᵀ        dWⱼ = Σₙ V[n + j]ᵀ · g[n]
///
/// A kernel of 3 with stride 2 takes two products, one of 2 with stride 2 takes one. The last rows, whose window would
/// leave the matrix, lack its later taps; they straddle the end and are never valid frames.
///
/// - Parameters:
///   - input: [N · stride, C], time-major.
///   - weight: [O, C, kernel], as in checkpoints.
///   - bias: [O] or none.
///   - stride: The rows from one window to the next.
///   - gelu: Whether GELU is applied to the input first; it is then recomputed in the backward pass, not kept.
///   - keepsGELU: Whether it is kept nevertheless.
///   - recompute: Recomputes the input in the backward pass, which then does not keep it.
/// - Returns: [N, O].
func stridedConvolution(
    _ input: Tensor, _ weight: Tensor, _ bias: Tensor?, stride: Int, geluOfInput gelu: Bool = false,
    keepsGELU: Bool = false, recompute: (() throws -> Tensor)? = nil
) throws -> Tensor {
    let channels = weight.size(1)
    let kernel = weight.size(2)
    let outputs = weight.size(0)
    let count = input.size(0) / stride
    // [kernel · C, O]: row tap · C + channel, the order of a window's elements in memory.
    func matrix(_ weight: Tensor) throws -> Tensor {
        try weight.permuted(2, 1, 0).reshaped(kernel * channels, outputs)
    }
    // The rows of the matrix that belong to each Wⱼ, with its shift j.
    let taps = (0..<(kernel + stride - 1) / stride).map { chunk in
        (shift: chunk, range: chunk * stride * channels..<min(kernel, (chunk + 1) * stride) * channels)
    }
    .filter { $0.shift < count }
    // V[n + j] for all n, as wide as Wⱼ.
    func windows(_ view: Tensor, _ chunk: (shift: Int, range: Range<Int>)) throws -> Tensor {
        try view.rows(chunk.shift..<count).narrowed(1, 0..<chunk.range.count)
    }
    func activated(_ input: Tensor) throws -> Tensor {
        try (gelu ? input.gelu() : input).viewed(count, stride * channels)
    }
    let kept = recompute ?? { input }
    return try differentiable("strided convolution", [input, weight] + (bias.map { [$0] } ?? [])) {
        let view = try activated(input)
        let keptView = gelu && keepsGELU ? view : nil
        let filter = try matrix(weight)
        let first = try filter.rows(taps[0].range)
        let output =
            try bias.map { try windows(view, taps[0]).matmul(first, adding: $0) }
            ?? windows(view, taps[0]).matmul(first)
        for chunk in taps.dropFirst() {
            try output.rows(0..<count - chunk.shift)
                .addProductInPlace(windows(view, chunk), filter.rows(chunk.range))
        }
        return (
            [output],
            { gradients, needed in
                guard let gradient = try gradients[0]?.contiguous() else { return needed.map { _ in nil } }
                var inputGradient: Tensor?
                if needed[0] {
                    // The first product writes every element unless the stride skips some.
                    let whole = taps[0].range.count == stride * channels
                    var sum =
                        try whole
                        ? gradient.matmul(filter.rows(taps[0].range).transposed())
                        : Tensor.zeros([count, stride * channels], dtype: gradient.dtype, device: gradient.device)
                    for chunk in taps.dropFirst(whole ? 1 : 0) {
                        try windows(sum, chunk).addProductInPlace(
                            gradient.rows(0..<count - chunk.shift), filter.rows(chunk.range).transposed())
                    }
                    sum = try sum.viewed(count * stride, channels)
                    inputGradient = gelu ? try kept().geluBackward(sum) : sum
                }
                var weightGradient: Tensor?
                if needed[1] {
                    let (sum, view) = (try filter.zerosLike(), try keptView ?? activated(kept()))
                    for chunk in taps {
                        try sum.rows(chunk.range).addProductInPlace(
                            windows(view, chunk).transposed(), gradient.rows(0..<count - chunk.shift))
                    }
                    weightGradient = try sum.viewed(kernel, channels, outputs).permuted(2, 1, 0).contiguous()
                }
                return [inputGradient, weightGradient] + (bias == nil ? [] : [try gradient.sum(0)])
            }
        )
    }[0]
}
