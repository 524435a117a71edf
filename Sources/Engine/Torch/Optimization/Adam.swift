import Foundation

/// Adam with decoupled weight decay, in fairseq's form (Kingma and Ba 2015; Loshchilov and Hutter 2019).
///
/// fairseq, and apex before 2020, add ε to √v before its bias correction; newer apex and LibTorch's fused operator add it
/// after. With ε / √(1 − β₂ᵗ) the two agree at update t.
public final class Adam: QueuedOptimizer {
    private let parameters: FlatParameters
    private let options: Moments.Options
    /// The running moments.
    public let moments: Moments

    /// Makes an optimizer with zero moments.
    public init(_ parameters: FlatParameters, _ options: Moments.Options) throws {
        self.parameters = parameters
        self.options = options
        moments = try Moments(parameters)
    }

    /// Makes one update from the gradients in the flat buffer.
    ///
    /// - Parameter gradientScale: A factor on the gradients: normalization and clipping in one.
    /// - Throws: `TorchError.operation` if the buffers no longer have equal sizes.
    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        try update(learningRate: learningRate, unless: nil) {
            if gradientScale != 1 { try $0.scaleInPlace(gradientScale) }
        }
    }

    /// Queues one update from the gradients in the flat buffer, and counts it.
    ///
    /// - Parameters:
    ///   - gradientScale: A factor on the gradients: an FP64 scalar.
    ///   - isSkipped: 1 where nothing must change but the gradients, else 0: an FP32 scalar.
    /// - Throws: `TorchError.operation` if the buffers no longer have equal sizes.
    public func step(learningRate: Double, gradientScale: Tensor, unless isSkipped: Tensor) throws {
        try update(learningRate: learningRate, unless: isSkipped) { try $0.multiplyInPlace(gradientScale) }
    }

    /// Takes the last update, which was skipped, from the count.
    public func uncountLast() { moments.updates -= 1 }

    private func update(
        learningRate: Double, unless isSkipped: Tensor?, scale: (_ gradients: Tensor) throws -> Void
    ) throws {
        moments.updates += 1
        try withoutGradient {
            let gradients = try parameters.gradients.rows(parameters.own)
            try scale(gradients)
            let values = parameters.masters
            let count = try Tensor.scalar(Double(moments.updates), device: values.device)
            // m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², and the update is lr · m̂ / (√v̂ + ε / √(1 − β₂ᵗ)).
            let correction = (1 - pow(options.beta2, Double(moments.updates))).squareRoot()
            try ATen.fusedAdamW.run(
                .tensors([values]), .tensors([gradients]), .tensors([moments.first]),
                .tensors([moments.second]), .tensors([]), .tensors([count]), .double(learningRate),
                .double(options.beta1), .double(options.beta2), .double(options.weightDecay),
                .double(options.epsilon / correction), .bool(false), .bool(false), .none, .optional(isSkipped))
        }
    }
}
