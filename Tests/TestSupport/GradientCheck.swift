import Testing
import W2VTorch

/// Expects the gradients of a function in FP64 to equal central differences.
///
/// - Parameters:
///   - inputs: FP64 tensors at which to check; each is small, since every element costs two evaluations.
///   - step: Half the distance between the two evaluations.
///   - tolerance: The largest difference allowed, relative to each gradient's largest magnitude (at least 1).
///   - sourceLocation: The place where a difference is reported.
///   - function: The function; it must be deterministic.
public func gradientCheck(
    _ inputs: [Tensor], step: Double = 1e-5, tolerance: Double = 1e-7,
    sourceLocation: SourceLocation = #_sourceLocation, _ function: ([Tensor]) throws -> Tensor
) throws {
    for (index, error) in try gradientErrors(inputs, step: step, function).enumerated() {
        #expect(error < tolerance, "gradient of input \(index) is off by \(error)", sourceLocation: sourceLocation)
    }
}
