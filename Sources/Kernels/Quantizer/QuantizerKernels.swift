import Torch

/// Which entry of each code book each row has chosen, and how evenly entries are chosen.
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

    /// Gathers a choice.
    public init(choice: Tensor, codes: Tensor, meanProbabilities: Tensor, meanChoices: Tensor) {
        (self.choice, self.codes) = (choice, codes)
        (self.meanProbabilities, self.meanChoices) = (meanProbabilities, meanChoices)
    }
}

extension Tensor {
    // As in Quantizer.cu.
    private static let (mostEntries, choiceWarps, choiceBlocks) = (512, 4, 264)

    /// The choice of entries by these logits, [rows, groups, entries], in one pass each way over them; nil where the kernels
    /// for GPUs do not take them.
    ///
    /// - Parameters:
    ///   - noise: Gumbel noise, FP32 [rows, groups, entries]; `nil` chooses the most probable entries.
    ///   - temperature: The Gumbel softmax's, FP32, a single number.
    ///   - segments: The rows that have means of their own; `nil` for all together.
    /// - Returns: The choice, or nil.
    /// - Throws: `TorchError.operation` if memory runs out.
    public func choosingEntries(noise: Tensor?, temperature: Tensor, segments: RowSegments? = nil) throws
        -> EntryChoice?
    {
        guard rank == 3, fitsDeviceKernels, size(2) <= Self.mostEntries,
            noise.map({ $0.shape == shape && $0.dtype == .float32 && $0.isContiguous }) ?? true,
            temperature.dtype == .float32, segments.map({ $0.rows == size(0) }) ?? true
        else { return nil }
        let (rows, groups, entries) = (size(0), size(1), size(2))
        let codes = try Tensor.empty([rows, groups], dtype: .int64, device: device)
        // Each block has rows of one segment.
        let (count, longest) = (segments?.count ?? 1, segments?.lengths.max() ?? rows)
        let blocks = min((longest + Self.choiceWarps - 1) / Self.choiceWarps, max(1, Self.choiceBlocks / count))
        let parts = try Tensor.empty([blocks, count * 2 * groups * entries], device: device)
        var means: Tensor?
        let outputs = try differentiable("choice of entries", [self]) {
            let choice = try emptyLike()
            try DeviceKernels.launch(
                "choose_entries", of: dtype, on: device,
                KernelShape(grid: (blocks * count, groups), threads: 32 * Self.choiceWarps), .tensor(self),
                .optional(noise), .tensor(choice), .tensor(codes), .tensor(parts), .optional(segments?.offsets),
                .int32(count), .int64(rows), .int32(groups), .int32(entries))
            let sums = try parts.deviceColumnSums(as: .float32).viewed(count, 2, groups, entries)
            let both = try segments?.means(ofSums: sums) ?? sums / Double(rows)
            means = try both.selected(1, 1)
            return (
                [choice, try both.selected(1, 0)],
                { gradients, _ in
                    [
                        try choiceGradient(
                            gradients[0], gradients[1], noise: noise, temperature: temperature, segments: segments)
                    ]
                }
            )
        }
        guard let means else { throw TorchError.operation("the choice of entries gave no means") }
        return EntryChoice(choice: outputs[0], codes: codes, meanProbabilities: outputs[1], meanChoices: means)
    }

    /// The gradient of the logits from those of the choice and of the mean probabilities.
    private func choiceGradient(
        _ choice: Tensor?, _ probabilities: Tensor?, noise: Tensor?, temperature: Tensor, segments: RowSegments?
    ) throws -> Tensor {
        let (rows, groups, entries) = (size(0), size(1), size(2))
        // A sum's share in its mean, forward and backward.
        let sums = try probabilities.map { try segments?.means(ofSums: $0) ?? $0 / Double(rows) }
        let result = try emptyLike()
        try DeviceKernels.launch(
            "choose_entries_backward", of: dtype, on: device,
            KernelShape(
                grid: ((rows + Self.choiceWarps - 1) / Self.choiceWarps, groups), threads: 32 * Self.choiceWarps),
            .tensor(self), .optional(noise), .tensor(temperature), .optional(choice?.contiguous()),
            .optional(sums?.contiguous()), .tensor(result), .optional(segments?.offsets), .int32(segments?.count ?? 1),
            .int64(rows), .int32(groups), .int32(entries))
        return result
    }
}
