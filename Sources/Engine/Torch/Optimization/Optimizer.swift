/// An update rule with two running moments over a flat buffer of parameters.
///
/// It changes the parameters that are this process's; ``FlatParameters/publish()`` tells module and other processes.
public protocol Optimizer: AnyObject {
    /// The running moments.
    var moments: Moments { get }

    /// Makes one update from the gradients in the flat buffer, which are multiplied by the scale.
    ///
    /// - Parameter gradientScale: Gradients are multiplied by this first: normalization and clipping in one.
    /// - Throws: `TorchError.operation` if the buffers no longer fit each other.
    func step(learningRate: Double, gradientScale: Double) throws
}
