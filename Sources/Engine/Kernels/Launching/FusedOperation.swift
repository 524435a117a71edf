import W2VTorch

/// A function that kernels compute in fewer passes over memory than LibTorch's operators, and keep less for.
///
/// The kernels are those of `CKernels` in host memory and those of `CUDA` on GPUs. A value holds the operands. Where no
/// kernel supports them, LibTorch's operators compute the same.
protocol FusedOperation {
    /// The type of its kernels, such as ``ForwardPass`` or ``BothPasses``.
    associatedtype Passes

    /// The kernels in host memory; nil if they do not support these operands.
    var onHost: Passes? { get throws }
    /// The kernels on a GPU; nil if they do not support these operands.
    var onDevice: Passes? { get throws }
}

extension FusedOperation {
    /// Nil: there is no kernel in host memory.
    var onHost: Passes? { nil }
    /// Nil: there is no kernel for GPUs.
    var onDevice: Passes? { nil }

    /// The kernels for the place of the operands.
    var kernels: Passes? { get throws { try onDevice ?? onHost } }
}

/// A function that computes a value, not recorded.
typealias ForwardPass = () throws -> Tensor

/// A function's forward and backward pass.
struct BothPasses {
    /// Computes the values.
    let forward: () throws -> [Tensor]
    /// Computes the operands' gradients from those of the values.
    let backward: BackwardPass

    /// Computes the values and records them.
    ///
    /// - Parameters:
    ///   - name: The function's name in error messages.
    ///   - operands: The tensors that get gradients, in the backward pass's order.
    /// - Throws: Any error of the passes.
    func recorded(_ name: String, _ operands: [Tensor]) throws -> [Tensor] {
        try differentiable(name, operands) { (try forward(), backward) }
    }
}
