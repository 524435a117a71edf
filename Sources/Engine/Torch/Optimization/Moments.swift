/// The running moments of an update rule, for the parameters that this process updates.
public final class Moments {
    /// The running mean of gradients, [elements of the parameters' `own`].
    public let first: Tensor
    /// The running mean of squared gradients, [elements of the parameters' `own`].
    public let second: Tensor
    /// The number of updates made so far.
    public internal(set) var updates = 0
    private let parameters: FlatParameters

    /// Starts from zero.
    init(_ parameters: FlatParameters) throws {
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
