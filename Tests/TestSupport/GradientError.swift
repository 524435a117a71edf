import W2VTorch

/// Returns the differences between a function's gradients and central differences, in FP64.
///
/// The outputs are weighted by fixed random numbers, so that errors of different elements cannot cancel.
///
/// - Parameters:
///   - inputs: FP64 tensors at which to check; each is small, since every element costs two evaluations.
///   - step: Half the distance between the two evaluations.
///   - function: The function; it must be deterministic.
/// - Returns: For each input the largest difference, relative to the gradient's largest magnitude (at least 1).
/// - Throws: An error of the function, and `TorchError.operation`.
public func gradientErrors(
    _ inputs: [Tensor], step: Double = 1e-5, _ function: ([Tensor]) throws -> Tensor
) throws -> [Double] {
    let leaves = try inputs.map { try $0.detached().cloned().requiringGradient() }
    let output = try function(leaves)
    let weights = try Tensor.normal(output.shape, dtype: .float64, generator: Generator(seed: 97))
    let analytic = try (output * weights).sum().gradients(of: leaves)
    return try inputs.enumerated().map { index, input in
        let start = try input.elements(Double.self)
        let numeric = try start.indices.map { element in
            func value(_ offset: Double) throws -> Double {
                var moved = start
                moved[element] += offset
                var points = inputs
                points[index] = try Tensor(moved, shape: input.shape)
                return try withoutGradient { try (function(points) * weights).sum().item() }
            }
            return try (value(step) - value(-step)) / (2 * step)
        }
        let found = try analytic[index]?.elements(Double.self) ?? Array(repeating: 0, count: start.count)
        let scale = max(1, numeric.map(abs).max() ?? 0)
        return (zip(found, numeric).map { abs($0 - $1) }.max() ?? 0) / scale
    }
}

/// Returns the largest difference of two tensors, relative to the reference's largest magnitude; infinite if shapes
/// differ or only one of them is finite.
public func relativeError(_ tensor: Tensor, _ reference: Tensor) throws -> Double {
    guard tensor.shape == reference.shape else { return .infinity }
    var difference = 0.0
    var magnitude = 0.0
    for (one, other) in zip(try tensor.elements(Double.self), try reference.elements(Double.self)) {
        if other.isFinite { magnitude = max(magnitude, other.magnitude) }
        if one == other { continue }
        guard one.isFinite, other.isFinite else { return .infinity }
        difference = max(difference, abs(one - other))
    }
    return magnitude == 0 ? difference : difference / magnitude
}
