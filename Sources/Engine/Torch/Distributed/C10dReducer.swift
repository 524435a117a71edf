import CW2VLibTorch

/// c10d's own reducer of gradients, on which DistributedDataParallel runs: what ``GradientReducer`` is measured against.
///
/// It works as DistributedDataParallel has it work by default where layers may be dropped: gradients are copied into
/// buckets of its own and the means over all processes copied back, and parameters that a pass leaves unused are searched
/// in its graph.
public final class C10dReducer {
    private let handle: ct_reducer
    private let group: ProcessGroup

    /// Watches the gradients of parameters.
    ///
    /// - Parameter bucketBytes: The size that a bucket has at least.
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

    /// Has the next backward pass end with the means of all processes' gradients.
    ///
    /// - Throws: `TorchError.communication` if the pass before has not ended.
    public func prepare(_ loss: Tensor) throws {
        try withExtendedLifetime((self, loss)) {
            try TorchError.checkCommunication(ct_reducer_prepare(handle, loss.handle))
        }
    }
}
