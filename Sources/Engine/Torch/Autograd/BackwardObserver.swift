/// Is called where a backward pass begins and ends, on the thread that runs it.
///
/// A benchmark measures by it; without an observer a pass reads one task-local value.
public protocol BackwardObserver: AnyObject, Sendable {
    /// A pass begins.
    ///
    /// - Parameter root: The tensor that it begins with.
    /// - Throws: An error, in place of the pass.
    func backwardBegan(_ root: Tensor) throws

    /// The pass has ended; a GPU may still be working on it.
    func backwardEnded()
}

/// The observer of a task's backward passes.
public enum BackwardPasses {
    /// The observer, `nil` for none.
    @TaskLocal public static var observer: (any BackwardObserver)?
}
