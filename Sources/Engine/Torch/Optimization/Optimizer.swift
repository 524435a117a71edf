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

/// An update rule whose updates can be queued before the host knows whether they are to be made.
public protocol QueuedOptimizer: Optimizer {
    /// Queues one update, and counts it.
    ///
    /// - Parameters:
    ///   - gradientScale: A factor on the gradients, which the device still computes: an FP64 scalar.
    ///   - isSkipped: 1 where nothing must change but the gradients, else 0: an FP32 scalar.
    /// - Throws: `TorchError.operation` if the buffers no longer have equal sizes.
    func step(learningRate: Double, gradientScale: Tensor, unless isSkipped: Tensor) throws

    /// Takes the last update, which was skipped, from the count.
    func uncountLast()
}
