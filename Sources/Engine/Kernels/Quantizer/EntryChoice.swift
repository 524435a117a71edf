import W2VTorch

/// The entries that each row has chosen from the code books, and how evenly they are used.
public struct EntryChoice {
    /// One-hot [rows, groups, entries]; its gradient is the Gumbel softmax's (straight through), none without noise.
    public let choice: Tensor
    /// int64 [rows, groups].
    public let codes: Tensor
    /// The mean over each segment's rows of the probabilities without noise, FP32 [segments, groups, entries];
    /// differentiable.
    public let meanProbabilities: Tensor
    /// The mean over each segment's rows of the most probable entries, one-hot, FP32 [segments, groups, entries].
    public let meanChoices: Tensor

    /// Makes a result.
    public init(choice: Tensor, codes: Tensor, meanProbabilities: Tensor, meanChoices: Tensor) {
        (self.choice, self.codes) = (choice, codes)
        (self.meanProbabilities, self.meanChoices) = (meanProbabilities, meanChoices)
    }
}

extension Tensor {
    /// Chooses entries by these logits, [rows, groups, entries], in one pass each way over them.
    ///
    /// - Parameters:
    ///   - noise: Gumbel noise, FP32 [rows, groups, entries]; `nil` chooses the most probable entries.
    ///   - temperature: The Gumbel softmax's, an FP32 scalar.
    ///   - segments: The segments of rows that have means of their own; `nil` for one segment.
    /// - Returns: The choice; nil where the GPU kernels do not support the tensors.
    public func choosingEntries(
        noise: Tensor?, temperature: Tensor, segments: RowSegments? = nil
    ) throws -> EntryChoice? {
        try GumbelChoice(logits: self, noise: noise, temperature: temperature, segments: segments).kernels?()
    }
}

/// The choice of code book entries by a Gumbel softmax, in one pass each way over the logits.
struct GumbelChoice: FusedOperation {
    /// [rows, groups, entries].
    let logits: Tensor
    /// FP32 [rows, groups, entries].
    let noise: Tensor?
    /// An FP32 scalar.
    let temperature: Tensor
    /// The segments of rows that have means of their own; nil for one segment.
    let segments: RowSegments?

    var onDevice: (() throws -> EntryChoice)? {
        guard logits.rank == 3, logits.fitsDeviceKernels, ChooseEntriesKernel.supports(entries: logits.size(2)),
            noise.map({ $0.shape == logits.shape && $0.dtype == .float32 && $0.isContiguous }) ?? true,
            temperature.dtype == .float32, segments.map({ $0.rows == logits.size(0) }) ?? true
        else { return nil }
        return choiceOnDevice
    }

    private func choiceOnDevice() throws -> EntryChoice {
        let (rows, groups, entries) = (logits.size(0), logits.size(1), logits.size(2))
        let codes = try Tensor.empty([rows, groups], dtype: .int64, device: logits.device)
        let count = segments?.count ?? 1
        let blocks = ChooseEntriesKernel.blocks(longest: segments?.lengths.max() ?? rows, segments: count)
        let parts = try Tensor.empty([blocks, count * 2 * groups * entries], device: logits.device)
        var means: Tensor?
        let outputs = try differentiable("choice of entries", [logits]) {
            let choice = try logits.emptyLike()
            try ChooseEntriesKernel(
                logits: logits, noise: noise, choice: choice, codes: codes, sums: parts, segments: segments
            ).launch()
            let both = try meansOfSums(parts.deviceColumnSums(as: .float32).viewed(count, 2, groups, entries))
            means = try both.selected(1, 1)
            return (
                [choice, try both.selected(1, 0)],
                { gradients, _ in
                    let result = try logits.emptyLike()
                    try ChooseEntriesBackwardKernel(
                        logits: logits, noise: noise, temperature: temperature,
                        choiceGradient: gradients[0]?.contiguous(),
                        sumGradient: gradients[1].map(meansOfSums)?.contiguous(), result: result, segments: segments
                    ).launch()
                    return [result]
                }
            )
        }
        guard let means else { throw TorchError.operation("the choice of entries gave no means") }
        return EntryChoice(choice: outputs[0], codes: codes, meanProbabilities: outputs[1], meanChoices: means)
    }

    /// Divides sums over each segment's rows, [segments, ...], by the number of rows: a sum's share of its mean,
    /// forward and backward.
    private func meansOfSums(_ sums: Tensor) throws -> Tensor {
        try segments?.means(ofSums: sums) ?? sums / Double(logits.size(0))
    }
}

extension KernelSource {
    fileprivate static let quantizer = KernelSource("Quantizer.cu", PackageResources.Quantizer_cu)
}

/// The choice of each row in each code book as codes and one-hot, and each block's sums of the probabilities and the
/// choices without noise, FP32 [blocks, segments · 2 · groups · entries]: each block has rows of one segment.
struct ChooseEntriesKernel: DeviceKernel {
    let logits: Tensor
    let noise: Tensor?
    let choice: Tensor
    let codes: Tensor
    let sums: Tensor
    let segments: RowSegments?

    private static let mostEntries = 512
    /// The rows that a block processes at a time, one per warp.
    static let warps = 4

    /// Returns whether a code book's entries fit a warp's registers.
    static func supports(entries: Int) -> Bool { entries <= mostEntries }

    /// Returns the number of blocks that share the rows of a segment; it depends on the shape only, like the order of
    /// the sums.
    static func blocks(longest: Int, segments: Int) -> Int {
        min((longest + warps - 1) / warps, max(1, 264 / segments))
    }

    static let name = "choose_entries"
    static let source = KernelSource.quantizer
    static let threads = 32 * warps
    static let constants = ["MOST_ENTRIES": mostEntries, "CHOICE_WARPS": warps]
    static let parameters: [KernelParameter<Self>] = [
        .reads("logits", \.logits), .reads("noise", as: .float, \.noise), .writes("choice", \.choice),
        .writes("codes", as: .int64, \.codes), .writes("sums", as: .float, \.sums),
        .reads("offsets", as: .int64, \.segments?.offsets), .int32("segments") { $0.segments?.count ?? 1 },
        .int64("rows") { $0.logits.size(0) },
        .int32("groups") { $0.logits.size(1) }, .int32("entries") { $0.logits.size(2) },
    ]
    var shape: KernelShape {
        KernelShape(grid: (sums.size(0) * (segments?.count ?? 1), logits.size(1)), threads: Self.threads)
    }
}

/// The gradient of the logits: that of the choice goes straight through to the Gumbel softmax, that of the segments'
/// summed probabilities, [segments, groups, entries], through the plain softmax.
struct ChooseEntriesBackwardKernel: DeviceKernel {
    let logits: Tensor
    let noise: Tensor?
    let temperature: Tensor
    let choiceGradient: Tensor?
    let sumGradient: Tensor?
    let result: Tensor
    let segments: RowSegments?

    static let name = "choose_entries_backward"
    static let source = KernelSource.quantizer
    static let threads = ChooseEntriesKernel.threads
    static let parameters: [KernelParameter<Self>] = [
        .reads("logits", \.logits), .reads("noise", as: .float, \.noise),
        .reads("temperature", as: .float, \.temperature),
        .reads("choice_gradient", \.choiceGradient), .reads("sum_gradient", as: .float, \.sumGradient),
        .writes("result", \.result), .reads("offsets", as: .int64, \.segments?.offsets),
        .int32("segments") { $0.segments?.count ?? 1 }, .int64("rows") { $0.logits.size(0) },
        .int32("groups") { $0.logits.size(1) },
        .int32("entries") { $0.logits.size(2) },
    ]
    var shape: KernelShape {
        let warps = ChooseEntriesKernel.warps
        return KernelShape(grid: ((logits.size(0) + warps - 1) / warps, logits.size(1)), threads: Self.threads)
    }
}
