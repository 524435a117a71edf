/// An update rule with two running moments over a flat buffer of parameters.
public protocol Optimizer: AnyObject {
    /// The running mean of gradients, in the parameters' layout.
    var firstMoment: Tensor { get }
    /// The running mean of squared gradients, in the parameters' layout.
    var secondMoment: Tensor { get }
    /// How many updates were made.
    var updates: Int { get }

    /// Makes one update from the gradients in the flat buffer, which are multiplied by the scale.
    ///
    /// - Parameters:
    ///   - learningRate: The step size.
    ///   - gradientScale: Gradients are multiplied by this first: normalisation and clipping in one.
    /// - Throws: `TorchError.operation` if the buffers no longer fit each other.
    func step(learningRate: Double, gradientScale: Double) throws

    /// Continues from saved moments.
    ///
    /// - Parameters:
    ///   - updates: How many updates were made.
    ///   - firstMoment: The running means of gradients by parameter.
    ///   - secondMoment: The running means of squared gradients by parameter.
    /// - Throws: `TorchError.state` naming the first parameter that is missing or of another shape.
    func restore(updates: Int, firstMoment: [String: Tensor], secondMoment: [String: Tensor]) throws
}
