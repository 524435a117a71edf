import CW2VLibTorch

/// c10d's own gradient reducer, the one behind DistributedDataParallel: the baseline for ``GradientReducer``.
///
/// It is set up as DistributedDataParallel does by default where layers may be dropped: gradients are copied into
/// buckets and their means over all processes copied back, and unused parameters are found by traversing the graph.
public final class C10dReducer {
    private let handle: ct_reducer
    private let group: ProcessGroup

    /// Hooks into the gradients of the parameters.
    ///
    /// - Parameter bucketBytes: The minimum size of a bucket.
    /// - Throws: `TorchError.communication` if a parameter records no gradient, or a process is gone.
    public init(_ parameters: FlatParameters, over group: ProcessGroup, bucketBytes: Int) throws {
        let leaves = parameters.leaves
        var made: ct_reducer?
        try withExtendedLifetime((leaves, group)) {
            try TorchError.checkCommunication(
                ct_reducer_make(
                    group.handle, leaves.map { Optional($0.handle) }, leaves.count, Int64(bucketBytes), &made))
        }
        guard let made else { throw TorchError.runtime("LibTorch made no reducer") }
        handle = made
        self.group = group
    }

    deinit { ct_reducer_release(handle) }

    /// Makes the next backward pass end with the mean of all processes' gradients.
    ///
    /// - Throws: `TorchError.communication` if the pass before has not ended.
    public func prepare(_ loss: Tensor) throws {
        try withExtendedLifetime((self, loss)) {
            try TorchError.checkCommunication(ct_reducer_prepare(handle, loss.handle))
        }
    }
}
