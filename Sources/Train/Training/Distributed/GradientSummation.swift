import W2VTorch

/// The summing of an update's gradients over processes.
package protocol GradientSummation: AnyObject {
    /// Starts sending gradients as soon as the next backward pass completes them.
    ///
    /// - Parameter unused: The parameters without a gradient in this update.
    func beginReduction(unused: Set<String>)

    /// Waits until the gradients are sums over all processes.
    ///
    /// - Throws: `TorchError.communication` if a process is gone.
    func finishReduction() throws

    /// Called after the optimizer has changed this process's weights, before processes exchange them.
    func optimizerEnded()
}

extension Replicas: GradientSummation {
    func optimizerEnded() {}
}
