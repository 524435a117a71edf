import CW2VLibTorch
import Foundation

/// A backward pass: maps the gradients of the outputs (`nil` where an output is unused) to those of the inputs.
///
/// `needed` says which inputs want a gradient; the result may be `nil` for all others.
public typealias BackwardPass = (_ gradients: [Tensor?], _ needed: [Bool]) throws -> [Tensor?]

private final class BackwardBox {
    let body: BackwardPass

    init(_ body: @escaping BackwardPass) {
        self.body = body
    }
}

private func message(_ error: any Error) -> ct_error? {
    strdup("\(error)")
}

private func borrow(_ raw: ct_tensor) -> Tensor {
    // The bridge lends the handle; retaining it keeps it alive for as long as the closure needs it.
    Tensor(adopting: ct_tensor_retain(raw))
}

private let runBackward: ct_backward_callback = { context, gradients, gradientCount, needed, results, resultCount in
    guard let context, let gradients, let needed, let results else { return nil }
    let box = Unmanaged<BackwardBox>.fromOpaque(context).takeUnretainedValue()
    let incoming = (0..<gradientCount).map { gradients[$0].map(borrow) }
    do {
        let computed = try box.body(incoming, (0..<resultCount).map { needed[$0] })
        guard computed.count == resultCount else {
            throw TorchError.shape("the backward pass gave \(computed.count) gradients for \(resultCount) inputs")
        }
        for (position, gradient) in computed.enumerated() {
            results[position] = gradient.map { $0.withHandle { ct_tensor_retain($0) } }
        }
        return nil
    } catch {
        return message(error)
    }
}

private let releaseBackward: @convention(c) (UnsafeMutableRawPointer?) -> Void = { context in
    guard let context else { return }
    Unmanaged<BackwardBox>.fromOpaque(context).release()
}

/// Makes a differentiable function from Swift closures for its forward and backward passes.
///
/// `forward` runs without recording and returns the outputs and the backward pass, which keeps what it captures until
/// the graph is freed. The backward pass is not recorded: differentiating its results again is an error. When no input
/// requires a gradient, or recording is off, it is dropped at once. Tensors that it captures must not be changed in
/// place before it runs: unlike LibTorch's own functions, it cannot notice.
///
/// - Parameters:
///   - name: The function's name in error messages.
///   - inputs: All tensors whose gradients the backward pass computes, in its order.
///   - forward: Computes the outputs, which must be new tensors, not the inputs themselves.
/// - Returns: The outputs, with the function as their history.
/// - Throws: Any error of `forward`. An error of the backward pass is thrown by `backward` or `gradients`, as a
///   `TorchError.operation` with the function's name.
public func differentiable(
    _ name: String, _ inputs: [Tensor], _ forward: () throws -> (outputs: [Tensor], backward: BackwardPass)
) throws -> [Tensor] {
    let (outputs, backward) = try withoutGradient(forward)
    let context = Unmanaged.passRetained(BackwardBox(backward)).toOpaque()
    var results = [ct_tensor?](repeating: nil, count: outputs.count)
    try withExtendedLifetime((inputs, outputs)) {
        try TorchError.check(
            ct_function_record(
                name, inputs.map { Optional($0.handle) }, inputs.count, outputs.map { Optional($0.handle) },
                outputs.count, context, runBackward, releaseBackward, &results))
    }
    return try results.map { raw in
        guard let raw else { throw TorchError.operation("\(name): an output is undefined") }
        return Tensor(adopting: raw)
    }
}

private final class HookBox {
    let body: (Tensor) throws -> Tensor?

    init(_ body: @escaping (Tensor) throws -> Tensor?) {
        self.body = body
    }
}

private let runHook: ct_hook_callback = { context, gradient, result in
    guard let context, let gradient, let result else { return nil }
    let box = Unmanaged<HookBox>.fromOpaque(context).takeUnretainedValue()
    do {
        result.pointee = try box.body(borrow(gradient)).map { $0.withHandle { ct_tensor_retain($0) } }
        return nil
    } catch {
        return message(error)
    }
}

private let releaseHook: @convention(c) (UnsafeMutableRawPointer?) -> Void = { context in
    guard let context else { return }
    Unmanaged<HookBox>.fromOpaque(context).release()
}

extension Tensor {
    /// Calls `hook` with this tensor's gradient during backward; a returned tensor replaces the gradient.
    ///
    /// - Returns: An identifier for ``removeGradientHook(_:)``.
    @discardableResult
    public func addGradientHook(_ hook: @escaping (Tensor) throws -> Tensor?) throws -> Int {
        let context = Unmanaged.passRetained(HookBox(hook)).toOpaque()
        var identifier: Int64 = 0
        try withHandle { try TorchError.check(ct_tensor_add_hook($0, context, runHook, releaseHook, &identifier)) }
        return Int(identifier)
    }

    /// Removes a hook.
    public func removeGradientHook(_ identifier: Int) throws {
        try withHandle { try TorchError.check(ct_tensor_remove_hook($0, Int64(identifier))) }
    }
}
