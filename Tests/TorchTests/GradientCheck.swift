import Testing
import Torch

/// Compares the gradients of a function in FP64 with central differences.
///
/// The outputs are weighted by fixed random numbers, so that errors of different elements cannot cancel.
///
/// - Parameters:
///   - inputs: FP64 tensors at which to check; each is small, since every element costs two evaluations.
///   - step: Half the distance between the two evaluations.
///   - tolerance: The largest difference allowed, relative to each gradient's largest magnitude (at least 1).
///   - sourceLocation: Where a difference is reported.
///   - function: What is checked; it must be deterministic.
/// - Throws: What the function throws.
func gradientCheck(
    _ inputs: [Tensor], step: Double = 1e-5, tolerance: Double = 1e-7,
    sourceLocation: SourceLocation = #_sourceLocation, _ function: ([Tensor]) throws -> Tensor
) throws {
    let leaves = try inputs.map { try $0.detached().cloned().requiringGradient() }
    let output = try function(leaves)
    let weights = try Tensor.normal(output.shape, dtype: .float64, generator: Generator(seed: 97))
    let analytic = try (output * weights).sum().gradients(of: leaves)
    for (index, input) in inputs.enumerated() {
        let start = try input.elements(Double.self)
        var numeric: [Double] = []
        for element in start.indices {
            func value(_ offset: Double) throws -> Double {
                var moved = start
                moved[element] += offset
                var points = inputs
                points[index] = try Tensor(moved, shape: input.shape)
                return try withoutGradient { try (function(points) * weights).sum().item() }
            }
            numeric.append(try (value(step) - value(-step)) / (2 * step))
        }
        let found = try analytic[index]?.elements(Double.self) ?? Array(repeating: 0, count: start.count)
        let scale = max(1, numeric.map(abs).max() ?? 0)
        let error = zip(found, numeric).map { abs($0 - $1) }.max() ?? 0
        #expect(
            error / scale < tolerance,
            "gradient of input \(index) is off by \(error), with magnitudes up to \(scale)",
            sourceLocation: sourceLocation)
    }
}

/// The largest difference of two tensors, relative to the reference's largest magnitude.
func relativeError(_ tensor: Tensor, _ reference: Tensor) throws -> Double {
    let reference = try reference.elements(Double.self)
    let found = try tensor.elements(Double.self)
    guard found.count == reference.count else { return .infinity }
    var difference = 0.0
    for (one, other) in zip(found, reference) {
        guard one.isFinite == other.isFinite else { return .infinity }
        difference = max(difference, abs(one - other))
    }
    return difference / max(reference.map(abs).max() ?? 0, 1e-300)
}
