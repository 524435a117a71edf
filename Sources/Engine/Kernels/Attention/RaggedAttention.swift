import Synchronization
import W2VTorch

extension Tensor {
    /// Returns whether ``raggedSelfAttention(offsets:longest:heads:dropout:bias:)`` supports the output of this
    /// projection weight.
    ///
    /// The weight is [3 · channels, inputs]. LibTorch has such kernels for GPUs only, for heads of a multiple of eight
    /// channels.
    public func supportsRaggedSelfAttention(heads: Int) -> Bool {
        guard device != .cpu, rank == 2, dtype == .float32 || dtype.isHalfPrecision else { return false }
        let width = size(0) / (3 * heads)
        return width % 8 == 0 && width <= 256
    }

    /// Computes multi-head self-attention within segments of rows on a GPU, for all segments at once.
    ///
    /// The matrix of weights is never in memory (Dao, Fu, Ermon, Rudra and Ré 2022): half precision uses flash
    /// attention where the GPU has it, from Ampere on; everything else uses LibTorch's memory-efficient kernel. Scores
    /// and softmax are FP32.
    ///
    /// The GPU's default generator, seeded each time, chooses the dropped weights: they depend on the seed only, but
    /// are not those that a CPU drops.
    ///
    /// - Parameters:
    ///   - offsets: The first row of each segment, and the end: int32 [segments + 1] on this tensor's device.
    ///   - longest: The rows of the longest segment.
    ///   - heads: The number of heads; this tensor is [rows, 3 · channels]: queries, keys, values.
    ///   - bias: The bias that was added to this tensor's rows last, unrecorded: [3 · channels]; its gradient comes
    ///     with this tensor's.
    /// - Returns: [rows, channels].
    /// - Throws: `TorchError.operation` when the GPU has no such kernel, or memory runs out.
    public func raggedSelfAttention(
        offsets: Tensor, longest: Int, heads: Int, dropout: WeightDropout?, bias: Tensor? = nil
    ) throws -> Tensor {
        let (rows, channels) = (size(0), size(1) / 3)
        let segments = Segments(offsets: offsets, longest: longest, probability: dropout?.probability ?? 0)
        if let dropout { try dropout.seedDefaultGenerator(on: device) }
        return try differentiable("self-attention", [self] + (bias.map { [$0] } ?? [])) {
            let isFlash = dtype.isHalfPrecision && FlashAttention.runs(on: device)
            let attention = try Attention(viewed(rows, 3, heads, channels / heads), segments, isFlash: isFlash)
            return (
                [try attention.output.viewed(rows, channels)],
                { gradients, needed in
                    guard let gradient = try gradients[0]?.contiguous() else { return needed.map { _ in nil } }
                    let parts = try attention.backward(gradient.viewed(attention.output.shape))
                    guard bias != nil else { return [try Tensor.stack(parts, -3).viewed(rows, 3 * channels)] }
                    let (joined, sums) = try Tensor.joiningThirds(
                        parts.map { try $0.contiguous().viewed(rows, channels) })
                    return [joined, sums]
                }
            )
        }[0]
    }
}

/// The segments within which frames attend to each other, and the dropout.
private struct Segments {
    let offsets: Tensor
    let longest: Int
    let probability: Double
}

/// Detection of GPUs with flash attention.
private enum FlashAttention {
    private static let known = Mutex<[Device: Bool]>([:])

    /// Returns whether a GPU supports it, found out with a single frame on first use.
    static func runs(on device: Device) -> Bool {
        known.withLock { known in
            if let runs = known[device] { return runs }
            let runs =
                (try? Attention(
                    Tensor.zeros([1, 3, 1, 8], dtype: .float16, device: device),
                    Segments(offsets: Tensor([Int32(0), 1]).to(device: device), longest: 1, probability: 0),
                    isFlash: true)) != nil
            known[device] = runs
            return runs
        }
    }
}

/// One attention call, with all that its backward pass needs.
private struct Attention {
    private static let flashAttention = TorchOperator("aten::_flash_attention_forward")
    private static let flashAttentionBackward = TorchOperator("aten::_flash_attention_backward")
    private static let efficientAttention = TorchOperator("aten::_efficient_attention_forward")
    private static let efficientAttentionBackward = TorchOperator("aten::_efficient_attention_backward")

    let output: Tensor
    private let inputs: [Tensor]
    private let segments: Segments
    private let isFlash: Bool
    /// The log-sum-exp of the softmax, and the two random states of the dropout.
    private let state: [Tensor]

    /// Attends from queries to keys and values, the thirds of [rows, 3, heads, width].
    init(_ thirds: Tensor, _ segments: Segments, isFlash: Bool) throws {
        (self.segments, self.isFlash) = (segments, isFlash)
        // The memory-efficient kernel expects a batch dimension, here of one.
        let whole = isFlash ? thirds : try thirds.unsqueezed(0)
        inputs = try (0..<3).map { try whole.selected(-3, $0) }
        let values =
            isFlash
            ? try Self.flashAttention.values(
                .tensor(inputs[0]), .tensor(inputs[1]), .tensor(inputs[2]), .tensor(segments.offsets),
                .tensor(segments.offsets), .int(segments.longest), .int(segments.longest),
                .double(segments.probability), .bool(false), .bool(false))
            : try Self.efficientAttention.values(
                .tensor(inputs[0]), .tensor(inputs[1]), .tensor(inputs[2]), .none, .tensor(segments.offsets),
                .tensor(segments.offsets), .int(segments.longest), .int(segments.longest),
                .double(segments.probability), .int(0), .bool(true))
        let tensors = Self.tensors(values)
        guard tensors.count >= 4 else { throw TorchError.operation("attention gave \(values)") }
        output = tensors[0]
        state = Array(tensors[1..<4])
    }

    private static func tensors(_ values: [TorchOperator.Value]) -> [Tensor] {
        values.compactMap { if case .tensor(let tensor) = $0 { tensor } else { nil } }
    }

    /// Returns the gradients of queries, keys and values.
    func backward(_ gradient: Tensor) throws -> [Tensor] {
        let values =
            isFlash
            ? try Self.flashAttentionBackward.values(
                .tensor(gradient), .tensor(inputs[0]), .tensor(inputs[1]), .tensor(inputs[2]), .tensor(output),
                .tensor(state[0]), .tensor(segments.offsets), .tensor(segments.offsets), .int(segments.longest),
                .int(segments.longest), .double(segments.probability), .bool(false), .tensor(state[1]),
                .tensor(state[2]))
            : try Self.efficientAttentionBackward.values(
                .tensor(gradient), .tensor(inputs[0]), .tensor(inputs[1]), .tensor(inputs[2]), .none, .tensor(output),
                .tensor(segments.offsets), .tensor(segments.offsets), .int(segments.longest), .int(segments.longest),
                .tensor(state[0]), .double(segments.probability), .tensor(state[1]), .tensor(state[2]), .int(0),
                .bool(false))
        let parts = Self.tensors(values).prefix(3)
        guard parts.count == 3 else { throw TorchError.operation("attention's backward pass gave \(values)") }
        return Array(parts)
    }
}
