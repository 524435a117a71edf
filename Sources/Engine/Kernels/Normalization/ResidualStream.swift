import W2VTorch

/// The input of half a transformer layer, for its two readers: the branch and the residual connection.
///
/// Both are the same numbers. If kernels compute them, they are two outputs of one function, whose backward pass adds
/// the readers' gradients up while it reads them.
public struct ResidualStream {
    /// What the branch's output is added to.
    public let residual: Tensor
    /// What the branch transforms.
    public let branch: Tensor

    /// Makes a stream of one tensor for both readers.
    public init(_ tensor: Tensor) { (residual, branch) = (tensor, tensor) }

    init(residual: Tensor, branch: Tensor) { (self.residual, self.branch) = (residual, branch) }
}

/// The output of a branch: of attention or of a feed-forward block.
public struct Branch {
    /// The output.
    public let values: Tensor
    /// The bias that was added last without being recorded; nil if there is none.
    ///
    /// The reader of the output has to compute its gradient.
    public let bias: Tensor?

    /// Makes a branch.
    public init(_ values: Tensor, unrecordedBias bias: Tensor? = nil) { (self.values, self.bias) = (values, bias) }

    /// Returns the output with the bias recorded.
    func recorded() throws -> Tensor { try bias.map { try values - $0.detached() + $0 } ?? values }
}
