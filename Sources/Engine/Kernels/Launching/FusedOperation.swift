import W2VTorch

/// A function that kernels compute in fewer passes over memory than LibTorch's operators, and keep less for: in host memory
/// those of `CKernels`, on GPUs those of `CUDA`.
///
/// A value has the operands. Where no kernel takes them, LibTorch's operators compute the same.
protocol FusedOperation {
    /// What its kernels do, such as ``ForwardPass`` or ``BothPasses``.
    associatedtype Passes

    /// What computes it in host memory; nil where no kernel takes these operands.
    var onHost: Passes? { get throws }
    /// What computes it on a GPU; nil where no kernel takes these operands.
    var onDevice: Passes? { get throws }
}

extension FusedOperation {
    /// No kernel in host memory.
    var onHost: Passes? { nil }
    /// No kernel for GPUs.
    var onDevice: Passes? { nil }

    /// What computes it where its operands are.
    var kernels: Passes? { get throws { try onDevice ?? onHost } }
}

/// A function's value, not recorded.
typealias ForwardPass = () throws -> Tensor

/// A function's values and gradients.
struct BothPasses {
    /// Computes the values.
    let forward: () throws -> [Tensor]
    /// Computes the operands' gradients from those of the values.
    let backward: BackwardPass

    /// Computes the values, and records them.
    ///
    /// - Parameters:
    ///   - name: What error messages call the function.
    ///   - operands: The tensors that get gradients, in the backward pass's order.
    /// - Throws: What the passes throw.
    func recorded(_ name: String, _ operands: [Tensor]) throws -> [Tensor] {
        try differentiable(name, operands) { (try forward(), backward) }
    }
}
