import W2VTorch

/// The contrastive loss of masked frames.
public struct Contrast {
    /// The loss of each frame: FP32 [frames]; differentiable.
    public let losses: Tensor
    /// 1 for each frame that chose the true vector, else 0: FP32 [frames].
    public let correct: Tensor

    /// Makes a result.
    public init(losses: Tensor, correct: Tensor) {
        (self.losses, self.correct) = (losses, correct)
    }
}

extension Tensor {
    /// Computes the contrastive loss from these similarities, in one pass each way over the chosen ones.
    ///
    /// This tensor is [utterances, frames, candidates].
    ///
    /// - Parameters:
    ///   - choices: Each frame's candidates, the true one first: int32 [utterances, frames, 1 + distractors].
    ///   - identities: Numbers that are equal for equal candidates: int64 [utterances · candidates], or `nil` if all
    ///     differ.
    /// - Returns: The loss of each frame, [utterances · frames]; nil where the GPU kernels do not support the tensors.
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
            ContrastBackwardKernel.supports(candidates: similarities.size(2)),
            identities.map({
                $0.dtype == .int64 && $0.isContiguous && $0.count == similarities.size(0) * similarities.size(2)
            }) ?? true
        else { return nil }
        return lossesOnDevice
    }

    private func lossesOnDevice() throws -> Contrast {
        // Losses, log-sum-exps, and whether the true vector was chosen.
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

/// Each frame's loss, the log-sum-exp of its logits, and whether its largest logit is the true vector's.
struct ContrastKernel: DeviceKernel {
    let similarities: Tensor
    let choices: Tensor
    let identities: Tensor?
    let losses: Tensor
    let normalizers: Tensor
    let correct: Tensor
    let temperature: Double

    /// The frames of a block, one per warp.
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

/// The similarities' gradient, from that of each frame's loss; a warp has one number of shared memory per candidate.
struct ContrastBackwardKernel: DeviceKernel {
    let similarities: Tensor
    let choices: Tensor
    let identities: Tensor?
    let normalizers: Tensor
    /// FP32 [frames].
    let gradients: Tensor
    let result: Tensor
    let temperature: Double

    /// Returns whether a warp's numbers fit in shared memory.
    static func supports(candidates: Int) -> Bool { 4 * candidates <= maximumSharedBytes }

    static let name = "contrast_backward"
    static let source = KernelSource.contrast
    static let threads = ContrastKernel.threads
    static let allowsFewerThreads = true
    static let parameters: [KernelParameter<Self>] = [
        .reads("similarities", \.similarities), .reads("choices", as: .int32, \.choices),
        .reads("identities", as: .int64, \.identities), .reads("normalizers", as: .float, \.normalizers),
        .reads("gradients", as: .float, \.gradients), .writes("result", \.result), .int64("rows", \.normalizers.count),
        .int32("own") { $0.similarities.size(1) }, .int32("pool") { $0.similarities.size(2) },
        .int32("width") { $0.choices.size(2) }, .float("temperature", \.temperature),
    ]
    var shape: KernelShape {
        let pool = similarities.size(2)
        let warps = min(ContrastKernel.warps, Self.maximumSharedBytes / (4 * pool))
        return KernelShape(
            grid: ((normalizers.count + warps - 1) / warps, 1), threads: 32 * warps, sharedBytes: 4 * pool * warps)
    }
}
