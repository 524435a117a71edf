import W2VTorch

/// What follows from an update's gradients, found out on the device: their norm, the factor that normalizes and clips
/// them, and whether the update is skipped because something is NaN or infinite.
///
/// The arithmetic is that of the host, number by number, so that queued updates equal others to the last bit.
struct GradientVerdict {
    /// The factor on the gradients, an FP64 scalar; 1 for a skipped update, whose gradients stay as they are.
    let gradientScale: Tensor
    /// 1 for a skipped update, else 0: an FP32 scalar.
    let isSkipped: Tensor
    private let norm: Download
    /// The norms of all parameters' gradients, by group: which of them is not finite tells what is wrong.
    private let norms: [Download]

    /// Queues the decision.
    ///
    /// - Parameters:
    ///   - groups: The parameters, with the gradients of the update.
    ///   - losses: The losses of its micro-batches, FP64 scalars.
    ///   - divisor: The sample size times the factor on the losses.
    ///   - clipNorm: The norm to which larger gradients are scaled down; 0 for no limit.
    /// - Throws: `TorchError.operation` if memory runs out.
    init(_ groups: [FlatParameters], losses: [Tensor], divisor: Double, clipNorm: Double) throws {
        let device = groups.first?.gradients.device ?? .cpu
        func scalar(_ number: Double) throws -> Tensor { try .scalar(number, dtype: .float64, device: device) }
        // Numbers divide as tensors: a GPU would multiply by the reciprocal of a number.
        let norm = try gradientNorm(onDevice: groups) / scalar(divisor)
        let loss = try losses.dropFirst().reduce(losses.first ?? scalar(0)) { try $0 + $1 }
        let isFinite = try norm.finiteMask().and(loss.finiteMask())
        let clip = try clipNorm > 0 ? (scalar(clipNorm) / (norm + 1e-6)).clamped(above: 1) : scalar(1)
        gradientScale = try .choose(isFinite, clip / scalar(divisor), else: scalar(1))
        isSkipped = try isFinite.not().to(dtype: .float32)
        self.norm = try Download(norm)
        norms = try groups.map { try Download($0.gradientNorms()) }
    }

    /// Waits for the norm of the mean gradient.
    func waitForNorm() throws -> Double { try norm.wait().item() }

    /// Waits for the first parameter whose gradient is not finite.
    ///
    /// - Returns: Its group's and its own index; `nil` if all are finite.
    func firstOverflow() throws -> (group: Int, parameter: Int)? {
        for (group, norms) in norms.enumerated() {
            if let index = try norms.wait().elements(Float.self).firstIndex(where: { !$0.isFinite }) {
                return (group, index)
            }
        }
        return nil
    }
}
