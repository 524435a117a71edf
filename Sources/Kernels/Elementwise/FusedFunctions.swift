// Functions that the kernels compute in fewer passes over memory than LibTorch's operators, and keep less for: in host
// memory by `CKernels`, on GPUs by `Device/Kernels`.

import Torch

extension Tensor {
    /// Whether the kernels take the tensor, wherever it is.
    var fitsKernels: Bool { fitsElementwiseHostKernels || fitsDeviceKernels }

    /// Whether kernels take this tensor together with others: of one format, in one place.
    func fitsKernels(with others: Tensor?...) -> Bool {
        fitsKernels
            && others.allSatisfy { $0.map { $0.fitsKernels && $0.dtype == dtype && $0.device == device } ?? true }
    }

    /// ``geluDropoutLinear(_:_:weight:bias:ownBias:)`` by kernels, differentiable once; of the two activations it keeps the
    /// input only, and computes the other one again.
    func fusedGELUDropoutLinear(
        _ mask: DropoutMask, weight: Tensor, bias: Tensor?, ownBias: Tensor?
    ) throws -> Tensor {
        func activated() throws -> Tensor {
            try fitsDeviceKernels ? deviceDropped(mask, ofGELU: true) : hostGELUDropped(mask)
        }
        let biases = [bias, ownBias].compactMap { $0 }
        return try differentiable("GELU, dropout and linear", [self, weight] + biases) {
            (
                [try activated().linear(weight, bias: bias)],
                { gradients, needed in
                    guard let gradient = gradients[0] else { return needed.map { _ in nil } }
                    let rows = try gradient.reshaped(-1, weight.size(0))
                    var (results, own): ([Tensor?], Tensor?) = ([nil, nil], nil)
                    if needed[1] { results[1] = try rows.transposed().matmul(activated().viewed(-1, weight.size(1))) }
                    if needed[0] {
                        let incoming = try rows.matmul(weight).viewed(shape)
                        switch (fitsDeviceKernels, ownBias != nil) {
                        case (true, true): own = try deviceGELUDropoutBackwardSums(into: incoming, mask)
                        case (true, false): try deviceGELUDropoutBackward(into: incoming, mask)
                        case (false, _): try hostGELUDropoutBackward(into: incoming, mask)
                        }
                        results[0] = incoming
                        if ownBias != nil, own == nil { own = try incoming.reshaped(-1, size(-1)).sum(0) }
                    }
                    if bias != nil { results.append(needed[2] ? try rows.sum(0) : nil) }
                    return ownBias == nil ? results : results + [own]
                }
            )
        }[0]
    }

    /// LayerNorm of this tensor, FP32 in host memory, by a kernel, differentiable once; it keeps the input and two numbers a
    /// row.
    ///
    /// LibTorch's own adds up the gradients of weight and bias row by row, which costs accuracy where rows are many.
    func fusedNorm(weight: Tensor, bias: Tensor, epsilon: Double) throws -> Tensor {
        let statistics = try Tensor.empty([2, count / size(-1)])
        return try differentiable("LayerNorm", [self, weight, bias]) {
            (
                [
                    try hostResidualNorm(
                        adding: nil, .none, weight: weight, bias: bias, epsilon: epsilon, statistics: statistics)
                ],
                { gradients, _ in
                    guard let gradient = try gradients[0]?.contiguous() else { return [nil, nil, nil] }
                    let found = try hostResidualNormBackward(
                        gradient, branch: nil, .none, weight: weight, statistics: statistics)
                    return [found[0], found[2], found[3]]
                }
            )
        }[0]
    }

    /// LayerNorm of this tensor plus the dropout of another by kernels, differentiable once; it keeps both inputs and two
    /// numbers a row.
    func fusedResidualNorm(
        adding branch: Tensor, _ mask: DropoutMask, weight: Tensor, bias: Tensor, epsilon: Double
    ) throws -> Tensor {
        let statistics = try Tensor.empty([2, count / size(-1)], device: device)
        let isOnDevice = fitsDeviceKernels
        return try differentiable("residual LayerNorm", [self, branch, weight, bias]) {
            return (
                [
                    isOnDevice
                        ? try deviceResidualNorm(
                            adding: branch, mask, weight: weight, bias: bias, epsilon: epsilon, statistics: statistics)
                        : try hostResidualNorm(
                            adding: branch, mask, weight: weight, bias: bias, epsilon: epsilon, statistics: statistics)
                ],
                { gradients, _ in
                    guard let gradient = try gradients[0]?.contiguous() else { return [nil, nil, nil, nil] }
                    return isOnDevice
                        ? try deviceResidualNormBackward(
                            gradient, branch: branch, mask, weight: weight, statistics: statistics)
                        : try hostResidualNormBackward(
                            gradient, branch: branch, mask, weight: weight, statistics: statistics)
                }
            )
        }[0]
    }
}
