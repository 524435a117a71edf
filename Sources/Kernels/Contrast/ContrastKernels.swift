import Torch

/// What masked frames' choices between their true vectors and distractors cost.
public struct Contrast {
    /// The loss of each frame: FP32 [frames]; differentiable.
    public let losses: Tensor
    /// 1 for each frame that chose the true vector, else 0: FP32 [frames].
    public let correct: Tensor

    /// Gathers what choices cost.
    public init(losses: Tensor, correct: Tensor) {
        (self.losses, self.correct) = (losses, correct)
    }
}

extension Tensor {
    // As in Contrast.cu; what a block may have of shared memory without being asked.
    private static let (contrastWarps, sharedBytes) = (4, 48 << 10)

    /// The contrastive loss from these similarities, [utterances, frames, candidates], in one pass each way over those that
    /// are chosen; nil where the kernels for GPUs do not take them.
    ///
    /// - Parameters:
    ///   - choices: Each frame's candidates, the true one first: int32 [utterances, frames, 1 + distractors].
    ///   - identities: What makes two candidates the same vector: int64 [utterances · candidates], or `nil` if none ever are.
    ///   - temperature: What similarities are divided by.
    /// - Returns: The loss of each frame, [utterances · frames], or nil.
    /// - Throws: `TorchError.operation` if memory runs out.
    public func contrast(_ choices: Tensor, identities: Tensor?, temperature: Double) throws -> Contrast? {
        guard rank == 3, fitsDeviceKernels, choices.dtype == .int32, choices.isContiguous, choices.rank == 3,
            choices.size(0) == size(0), choices.size(1) == size(1), 4 * size(2) <= Self.sharedBytes,
            identities.map({ $0.dtype == .int64 && $0.isContiguous && $0.count == size(0) * size(2) }) ?? true
        else { return nil }
        let (own, pool, width) = (size(1), size(2), choices.size(2))
        let rows = size(0) * own
        // Losses, logarithms of the sums of exponentials, and who was right.
        let results = try Tensor.empty([3, rows], device: device)
        let losses = try differentiable("contrastive loss", [self]) {
            let warps = Self.contrastWarps
            try DeviceKernels.launch(
                "contrast", of: dtype, on: device,
                KernelShape(grid: ((rows + warps - 1) / warps, 1), threads: 32 * warps), .tensor(self),
                .tensor(choices), .optional(identities), .tensor(results.selected(0, 0)),
                .tensor(results.selected(0, 1)), .tensor(results.selected(0, 2)), .int64(rows), .int32(own),
                .int32(pool), .int32(width), .float(temperature))
            return (
                [try results.selected(0, 0)],
                { gradients, _ in
                    guard let gradient = try gradients[0]?.contiguous() else { return [nil] }
                    let result = try emptyLike()
                    let warps = min(Self.contrastWarps, Self.sharedBytes / (4 * pool))
                    try DeviceKernels.launch(
                        "contrast_backward", of: dtype, on: device,
                        KernelShape(
                            grid: ((rows + warps - 1) / warps, 1), threads: 32 * warps, sharedBytes: 4 * pool * warps),
                        .tensor(self), .tensor(choices), .optional(identities), .tensor(results.selected(0, 1)),
                        .tensor(gradient), .tensor(result), .int64(rows), .int32(own), .int32(pool), .int32(width),
                        .float(temperature))
                    return [result]
                }
            )
        }[0]
        return Contrast(losses: losses, correct: try results.selected(0, 2))
    }
}
