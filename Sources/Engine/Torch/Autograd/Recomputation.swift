/// Runs a part of a model and keeps only its input; the backward pass runs the part a second time.
///
/// Source: Chen et al. 2016, gradient checkpointing. Dropout masks are functions of seeds, so the second run repeats
/// the first one exactly, and so do the gradients.
///
/// - Parameters:
///   - parameters: All other tensors that the part depends on and that need gradients.
///   - body: The part; it must draw its dropouts from the mode that it receives, and depend on nothing that changes.
/// - Throws: Any error of `body`, in the backward pass as a `TorchError.operation`.
public func recomputing(
    _ input: Tensor, parameters: [Tensor], _ mode: Module.Mode, _ body: @escaping (Tensor, Module.Mode) throws -> Tensor
) throws -> Tensor {
    guard isGradientEnabled else { return try body(input, mode) }
    let start = mode.copied()
    return try differentiable("recomputed part", [input] + parameters) {
        (
            [try body(input, mode)],
            { gradients, needed in
                guard let gradient = gradients[0] else { return needed.map { _ in nil } }
                let leaf = try input.detached().requiringGradient(needed[0])
                let output = try withGradient { try body(leaf, start.copied()) }
                let wanted = zip([leaf] + parameters, needed).filter(\.1).map(\.0)
                var found = try output.gradients(of: wanted, outputGradient: gradient).makeIterator()
                return needed.map { $0 ? found.next() ?? nil : nil }
            }
        )
    }[0]
}
