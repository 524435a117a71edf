/// An update rule with two running moments over a flat buffer of parameters.
///
/// It updates this process's parameters; ``FlatParameters/publish()`` hands them to the module and other processes.
public protocol Optimizer: AnyObject {
    /// The running moments.
    var moments: Moments { get }

    /// Makes one update from the gradients in the flat buffer, multiplied by the scale.
    ///
    /// - Parameter gradientScale: A factor on the gradients: normalization and clipping in one.
    /// - Throws: `TorchError.operation` if the buffers no longer have equal sizes.
    func step(learningRate: Double, gradientScale: Double) throws
}
