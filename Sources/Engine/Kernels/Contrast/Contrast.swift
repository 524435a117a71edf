import W2VTorch

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
    /// The contrastive loss from these similarities, [utterances, frames, candidates], in one pass each way over those that
    /// are chosen; nil where the kernels for GPUs do not take them.
    ///
    /// - Parameters:
    ///   - choices: Each frame's candidates, the true one first: int32 [utterances, frames, 1 + distractors].
    ///   - identities: What makes two candidates the same vector: int64 [utterances · candidates], or `nil` if none ever are.
    /// - Returns: The loss of each frame, [utterances · frames], or nil.
    public func contrast(_ choices: Tensor, identities: Tensor?, temperature: Double) throws -> Contrast? {
        try ContrastiveLoss(similarities: self, choices: choices, identities: identities, temperature: temperature)
            .kernels?()
    }
}

/// The contrastive loss in one pass each way, without a matrix of logits.
struct ContrastiveLoss: FusedOperation {
    /// [utterances, frames, candidates].
    let similarities: Tensor
    /// int32 [utterances, frames, 1 + distractors].
    let choices: Tensor
    /// int64 [utterances · candidates].
    let identities: Tensor?
    let temperature: Double

    var onDevice: (() throws -> Contrast)? {
        guard similarities.rank == 3, similarities.fitsDeviceKernels, choices.dtype == .int32, choices.isContiguous,
            choices.rank == 3, choices.size(0) == similarities.size(0), choices.size(1) == similarities.size(1),
            ContrastBackwardKernel.takes(candidates: similarities.size(2)),
            identities.map({
                $0.dtype == .int64 && $0.isContiguous && $0.count == similarities.size(0) * similarities.size(2)
            }) ?? true
        else { return nil }
        return lossesOnDevice
    }

    private func lossesOnDevice() throws -> Contrast {
        // Losses, logarithms of the sums of exponentials, and who was right.
        let results = try Tensor.empty([3, similarities.size(0) * similarities.size(1)], device: similarities.device)
        let losses = try differentiable("contrastive loss", [similarities]) {
            try ContrastKernel(
                similarities: similarities, choices: choices, identities: identities, losses: results.selected(0, 0),
                normalizers: results.selected(0, 1), correct: results.selected(0, 2), temperature: temperature
            ).launch()
            return (
                [try results.selected(0, 0)],
                { gradients, _ in
                    guard let gradient = try gradients[0]?.contiguous() else { return [nil] }
                    let result = try similarities.emptyLike()
                    try ContrastBackwardKernel(
                        similarities: similarities, choices: choices, identities: identities,
                        normalizers: results.selected(0, 1), gradients: gradient, result: result,
                        temperature: temperature
                    ).launch()
                    return [result]
                }
            )
        }[0]
        return Contrast(losses: losses, correct: try results.selected(0, 2))
    }
}

extension KernelSource {
    fileprivate static let contrast = KernelSource("Contrast.cu", PackageResources.Contrast_cu)
}

/// Each frame's loss, what its logits' exponentials sum to (as a logarithm), and whether it chose the true vector.
struct ContrastKernel: DeviceKernel {
    let similarities: Tensor
    let choices: Tensor
    let identities: Tensor?
    let losses: Tensor
    let normalizers: Tensor
    let correct: Tensor
    let temperature: Double

    /// Frames that a block has, a warp each.
    static let warps = 4

    static let name = "contrast"
    static let source = KernelSource.contrast
    static let threads = 32 * warps
    static let constants = ["CONTRAST_WARPS": warps]
    static let parameters: [KernelParameter<Self>] = [
        .reads("similarities", \.similarities), .reads("choices", as: .int32, \.choices),
        .reads("identities", as: .int64, \.identities), .writes("losses", as: .float, \.losses),
        .writes("normalizers", as: .float, \.normalizers), .writes("correct", as: .float, \.correct),
        .int64("rows", \.losses.count), .int32("own") { $0.similarities.size(1) },
        .int32("pool") { $0.similarities.size(2) }, .int32("width") { $0.choices.size(2) },
        .float("temperature", \.temperature),
    ]
    var shape: KernelShape {
        KernelShape(grid: ((losses.count + Self.warps - 1) / Self.warps, 1), threads: Self.threads)
    }
}

/// The similarities' gradient, from that of each frame's loss; a warp has a number of shared memory for each candidate.
struct ContrastBackwardKernel: DeviceKernel {
    let similarities: Tensor
    let choices: Tensor
    let identities: Tensor?
    let normalizers: Tensor
    /// FP32 [frames].
    let gradients: Tensor
    let result: Tensor
    let temperature: Double

    /// What a block may have of shared memory without being asked.
    private static let sharedBytes = 48 << 10

    /// Whether a warp's numbers fit in shared memory.
    static func takes(candidates: Int) -> Bool { 4 * candidates <= sharedBytes }

    static let name = "contrast_backward"
    static let source = KernelSource.contrast
    static let threads = ContrastKernel.threads
    static let parameters: [KernelParameter<Self>] = [
        .reads("similarities", \.similarities), .reads("choices", as: .int32, \.choices),
        .reads("identities", as: .int64, \.identities), .reads("normalizers", as: .float, \.normalizers),
        .reads("gradients", as: .float, \.gradients), .writes("result", \.result), .int64("rows", \.normalizers.count),
        .int32("own") { $0.similarities.size(1) }, .int32("pool") { $0.similarities.size(2) },
        .int32("width") { $0.choices.size(2) }, .float("temperature", \.temperature),
    ]
    var shape: KernelShape {
        let pool = similarities.size(2)
        let warps = min(ContrastKernel.warps, Self.sharedBytes / (4 * pool))
        return KernelShape(
            grid: ((normalizers.count + warps - 1) / warps, 1), threads: 32 * warps, sharedBytes: 4 * pool * warps)
    }
}
