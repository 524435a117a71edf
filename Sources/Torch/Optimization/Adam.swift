import Foundation

/// Adam with decoupled weight decay, in fairseq's form (Kingma and Ba 2015; Loshchilov and Hutter 2019).
///
/// fairseq and apex add ε to √v before its bias correction; LibTorch's fused operator adds it after. With ε / √(1 − β₂ᵗ)
/// the two agree at update t.
public final class Adam: Optimizer {
    /// The constants of the update rule.
    public struct Options: Sendable, Equatable {
        /// Decay of the first moment, β₁.
        public var beta1: Double
        /// Decay of the second moment, β₂.
        public var beta2: Double
        /// Added to the square root of the second moment, ε.
        public var epsilon: Double
        /// Decoupled weight decay; a parameter shrinks by the learning rate times this.
        public var weightDecay: Double

        /// Makes the constants; the defaults are the pre-training recipes'.
        public init(beta1: Double = 0.9, beta2: Double = 0.98, epsilon: Double = 1e-6, weightDecay: Double = 0.01) {
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
            self.weightDecay = weightDecay
        }
    }

    private let parameters: FlatParameters
    private let options: Options
    /// The running mean of gradients, in the parameters' layout.
    public let firstMoment: Tensor
    /// The running mean of squared gradients, in the parameters' layout.
    public let secondMoment: Tensor
    /// How many updates were made.
    public private(set) var updates: Int = 0

    /// Makes an optimizer with zero moments.
    public init(_ parameters: FlatParameters, _ options: Options) throws {
        self.parameters = parameters
        self.options = options
        firstMoment = try parameters.values.zerosLike()
        secondMoment = try parameters.values.zerosLike()
    }

    /// Makes one update from the gradients in the flat buffer.
    ///
    /// - Parameters:
    ///   - learningRate: The step size.
    ///   - gradientScale: Gradients are multiplied by this first: normalisation and clipping in one.
    /// - Throws: `TorchError.operation` if the buffers no longer fit each other.
    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        updates += 1
        try withoutGradient {
            if gradientScale != 1 { try parameters.gradients.scaleInPlace(gradientScale) }
            let device = parameters.values.device
            let count = try Tensor.scalar(Double(updates), device: device)
            let correction = (1 - pow(options.beta2, Double(updates))).squareRoot()
            try ATen.fusedAdamW.run(
                .tensors([parameters.values]), .tensors([parameters.gradients]), .tensors([firstMoment]),
                .tensors([secondMoment]), .tensors([]), .tensors([count]), .double(learningRate),
                .double(options.beta1), .double(options.beta2), .double(options.weightDecay),
                .double(options.epsilon / correction), .bool(false), .bool(false))
        }
    }

    /// Continues from saved moments.
    public func restore(updates: Int, firstMoment: [String: Tensor], secondMoment: [String: Tensor]) throws {
        try parameters.load(firstMoment, into: self.firstMoment)
        try parameters.load(secondMoment, into: self.secondMoment)
        self.updates = updates
    }
}
