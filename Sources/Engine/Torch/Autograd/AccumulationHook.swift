import CW2VLibTorch
import Foundation

private final class AccumulationBox {
    let body: () throws -> Void

    init(_ body: @escaping () throws -> Void) { self.body = body }
}

private let runAccumulationHook: ct_accumulated_callback = { context in
    guard let context else { return nil }
    do {
        try Unmanaged<AccumulationBox>.fromOpaque(context).takeUnretainedValue().body()
        return nil
    } catch {
        return strdup("\(error)")
    }
}

private let releaseAccumulationHook: @convention(c) (UnsafeMutableRawPointer?) -> Void = { context in
    guard let context else { return }
    Unmanaged<AccumulationBox>.fromOpaque(context).release()
}

extension Tensor {
    /// Registers a callback for every time a backward pass has added to this leaf's gradient.
    ///
    /// The gradient is then complete for this pass and may be sent while the pass continues elsewhere.
    ///
    /// - Parameter body: Called on the backward pass's thread; `nil` removes the callback.
    /// - Throws: `TorchError.operation` if the tensor is not a leaf that records gradients.
    public func onGradientAccumulated(_ body: (() throws -> Void)?) throws {
        try withHandle { raw in
            guard let body else {
                return try TorchError.check(ct_tensor_on_gradient_accumulated(raw, nil, nil, nil))
            }
            let context = Unmanaged.passRetained(AccumulationBox(body)).toOpaque()
            try TorchError.check(
                ct_tensor_on_gradient_accumulated(raw, context, runAccumulationHook, releaseAccumulationHook))
        }
    }
}
