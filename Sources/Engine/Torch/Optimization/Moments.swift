/// The running moments of an update rule, for the parameters that this process updates.
public final class Moments {
    /// The constants of an update rule with two moments.
    public struct Options: Sendable, Equatable {
        /// Decay of the first moment, β₁.
        public var beta1: Double
        /// Decay of the second moment, β₂.
        public var beta2: Double
        /// Added to the square root of the second moment, ε.
        public var epsilon: Double
        /// Decoupled weight decay; a parameter shrinks by the learning rate times this.
        public var weightDecay: Double

        /// Makes the constants.
        ///
        /// For β₂ the pre-training recipes have 0.98, apex's LAMB has 0.999.
        public init(beta1: Double = 0.9, beta2: Double, epsilon: Double = 1e-6, weightDecay: Double = 0.01) {
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
            self.weightDecay = weightDecay
        }
    }

    /// The running mean of gradients, [elements of the parameters' `own`].
    public let first: Tensor
    /// The running mean of squared gradients, [elements of the parameters' `own`].
    public let second: Tensor
    /// The number of updates made so far.
    public package(set) var updates = 0
    private let parameters: FlatParameters

    /// Starts from zero.
    package init(_ parameters: FlatParameters) throws {
        self.parameters = parameters
        first = try parameters.masters.zerosLike()
        second = try parameters.masters.zerosLike()
    }

    /// Continues from saved moments.
    ///
    /// - Parameters:
    ///   - first: The running means of gradients by parameter, whole.
    ///   - second: The running means of squared gradients by parameter, whole.
    /// - Throws: `TorchError.state` naming the first parameter that is missing or of another shape.
    public func restore(updates: Int, first: [String: Tensor], second: [String: Tensor]) throws {
        try parameters.load(first, into: self.first)
        try parameters.load(second, into: self.second)
        self.updates = updates
    }
}
