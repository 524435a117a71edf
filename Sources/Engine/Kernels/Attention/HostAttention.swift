import CW2VKernels
import W2VTorch

extension Tensor {
    /// Returns whether ``hostSelfAttention(lengths:heads:dropouts:)`` supports this projection of queries, keys and
    /// values.
    ///
    /// BF16 is multiplied in pairs: the width of a head must be even.
    public func supportsHostSelfAttention(heads: Int) -> Bool {
        fitsHostKernels || fitsElementwiseHostKernels && size(-1) / 3 / heads % 2 == 0
    }

    /// Computes multi-head self-attention within each utterance of a ragged batch with a kernel; differentiable once.
    ///
    /// The matrix of weights is never in memory: some rows of one head at a time are in the cache. Only this tensor is
    /// kept for the backward pass, which recomputes the weights. Source: Vaswani et al. 2017; the recomputation, Dao et
    /// al. 2022. This tensor holds queries, keys and values side by side, [frames, 3 · channels], FP32 or BF16 in host
    /// memory. For BF16 the softmax and all sums are FP32; the operands of products, including the weights and their
    /// gradients, are rounded.
    ///
    /// - Parameters:
    ///   - lengths: The frames of each utterance.
    ///   - heads: The number of heads, which share the channels evenly.
    ///   - dropouts: The dropout of each utterance's weights, [heads, frames, frames]; or empty.
    /// - Returns: [frames, channels].
    /// - Throws: `TorchError.shape` when the sizes do not match.
    public func hostSelfAttention(lengths: [Int], heads: Int, dropouts: [WeightDropout] = []) throws -> Tensor {
        guard rank == 2, heads > 0, size(1) % (3 * heads) == 0, supportsHostSelfAttention(heads: heads),
            lengths.reduce(0, +) == size(0), lengths.allSatisfy({ $0 > 0 }),
            dropouts.isEmpty || dropouts.count == lengths.count, dropouts.allSatisfy({ $0.probability < 1 })
        else {
            throw TorchError.shape(
                "\(self) cannot be the queries, keys and values of \(heads) heads of utterances of \(lengths) frames")
        }
        let call = try HostAttention(
            lengths: lengths, heads: heads, width: size(1) / 3 / heads, masks: dropouts.map(\.mask))
        guard isGradientEnabled, requiresGradient else { return try call.context(self) }
        return try differentiable("self-attention", [self]) {
            (
                [try call.context(self)],
                { gradients, _ in [try gradients[0].map { try call.gradient(self, ofContext: $0.contiguous()) }] }
            )
        }[0]
    }
}

/// The sizes of one call, as the kernels take them.
private struct HostAttention: Sendable {
    let offsets: [Int64]
    let longest: Int64
    let heads: Int64
    let width: Int64
    let seeds: [UInt64]
    let probability: Double
    let scale: Double

    init(lengths: [Int], heads: Int, width: Int, masks: [DropoutMask]) throws {
        offsets = lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + Int64($1)) }
        longest = Int64(lengths.max() ?? 0)
        (self.heads, self.width) = (Int64(heads), Int64(width))
        (seeds, probability) = (try masks.map { try $0.seed.number() }, masks.first?.probability ?? 0)
        scale = 1 / Double(width).squareRoot()
    }

    private var utterances: Int64 { Int64(offsets.count - 1) }
    private var threads: Int32 { HostKernels.threads }

    func context(_ projected: Tensor) throws -> Tensor {
        let output = try Tensor.empty([projected.size(0), Int(heads * width)], dtype: projected.dtype)
        let scratch = try Tensor.empty([Int(ck_attention_scratch(longest, width, threads))])
        try withAddresses(projected, output, scratch) {
            ck_attention(
                $0[0], projected.kernelFormat, offsets, utterances, longest, heads, width, scale, seeds, probability,
                $0[1], $0[2].assumingMemoryBound(to: Float.self), threads)
        }
        return output
    }

    func gradient(_ projected: Tensor, ofContext gradient: Tensor) throws -> Tensor {
        let output = try projected.emptyLike()
        let scratch = try Tensor.empty([Int(ck_attention_backward_scratch(longest, width, threads))])
        try withAddresses(projected, gradient, output, scratch) {
            ck_attention_backward(
                $0[0], $0[1], projected.kernelFormat, offsets, utterances, longest, heads, width, scale, seeds,
                probability, $0[2], $0[3].assumingMemoryBound(to: Float.self), threads)
        }
        return output
    }
}
