/// An observer of backward passes, called where one begins and ends, on the thread that runs it.
///
/// Benchmarks measure with it; without an observer a pass costs one read of a task-local value.
public protocol BackwardObserver: AnyObject, Sendable {
    /// Called when a pass begins.
    ///
    /// - Parameter root: The tensor that the pass starts from.
    /// - Throws: An error, which takes the place of the pass.
    func backwardBegan(_ root: Tensor) throws

    /// Called when the pass has ended; a GPU may still be computing.
    func backwardEnded()
}

/// The observer of a task's backward passes.
public enum BackwardPasses {
    /// The observer, `nil` for none.
    @TaskLocal public static var observer: (any BackwardObserver)?
}
