import CW2VLibTorch

extension Tensor {
    /// Whether operations on the tensor are recorded for differentiation.
    public var requiresGradient: Bool { withHandle { ct_tensor_requires_gradient($0) } }

    /// Whether the tensor is a leaf: not the result of a recorded operation.
    public var isLeaf: Bool { withHandle { ct_tensor_is_leaf($0) } }

    /// Starts or stops recording; returns the tensor itself.
    @discardableResult
    public func requiringGradient(_ value: Bool = true) throws -> Tensor {
        try withHandle { try TorchError.check(ct_tensor_set_requires_gradient($0, value)) }
        return self
    }

    /// Returns the gradient that backward passes have accumulated, if any.
    public func gradient() throws -> Tensor? {
        try withHandle { raw in
            var found: ct_tensor?
            try TorchError.check(ct_tensor_gradient(raw, &found))
            return found.map { Tensor(adopting: $0) }
        }
    }

    /// Replaces the accumulated gradient; later backward passes add into this tensor.
    public func setGradient(_ gradient: Tensor?) throws {
        try withHandle { raw in
            try withExtendedLifetime(gradient) {
                try TorchError.check(ct_tensor_set_gradient(raw, gradient?.handle))
            }
        }
    }

    /// Accumulates the gradients of this tensor in all leaves; without a given gradient it must be a single number.
    public func backward(gradient: Tensor? = nil, retainingGraph: Bool = false) throws {
        let seed = try gradient ?? Tensor.ones(shape, dtype: dtype, device: device)
        let observer = BackwardPasses.observer
        try observer?.backwardBegan(self)
        defer { observer?.backwardEnded() }
        try withHandle { raw in
            try seed.withHandle { seedHandle in
                let root: ct_tensor? = raw
                let rootGradient: ct_tensor? = seedHandle
                try withUnsafePointer(to: root) { roots in
                    try withUnsafePointer(to: rootGradient) { gradients in
                        try Profile.inBackwardPass {
                            try TorchError.check(ct_backward(roots, gradients, 1, retainingGraph))
                        }
                    }
                }
            }
        }
    }

    /// Returns the gradients of this tensor with respect to others, `nil` for those that it does not depend on.
    public func gradients(
        of inputs: [Tensor], outputGradient: Tensor? = nil, retainingGraph: Bool = false, creatingGraph: Bool = false
    ) throws -> [Tensor?] {
        let seed = try outputGradient ?? Tensor.ones(shape, dtype: dtype, device: device)
        var results = [ct_tensor?](repeating: nil, count: inputs.count)
        try withExtendedLifetime((self, seed, inputs)) {
            try TorchError.check(
                ct_gradients(
                    [handle], [seed.handle], 1, inputs.map { Optional($0.handle) }, inputs.count,
                    retainingGraph || creatingGraph, creatingGraph, &results))
        }
        return results.map { $0.map { Tensor(adopting: $0) } }
    }
}

/// Runs `body` without recording operations for differentiation.
///
/// The switch is per thread: never suspend an asynchronous function inside.
public func withoutGradient<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = ct_set_gradient_enabled(false)
    defer { _ = ct_set_gradient_enabled(before) }
    return try body()
}

/// Runs `body` with operations recorded, inside ``withoutGradient(_:)`` or a backward pass.
///
/// The switch is per thread: never suspend an asynchronous function inside.
public func withGradient<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = ct_set_gradient_enabled(true)
    defer { _ = ct_set_gradient_enabled(before) }
    return try body()
}

/// Whether operations of this thread are being recorded.
public var isGradientEnabled: Bool { ct_gradient_enabled() }

extension Tensor {
    /// Returns the tensor itself, with gradients multiplied by a factor (fairseq's `GradMultiply`).
    public func scalingGradient(by factor: Double) throws -> Tensor {
        if factor == 1 { return self }
        return try differentiable("gradient scaling", [self]) {
            ([self], { gradients, _ in try [gradients[0].map { try $0 * factor }] })
        }[0]
    }
}
