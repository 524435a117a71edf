/// Parameters of a model laid end to end in one buffer, and their gradients in another.
///
/// One fused optimizer call, one norm and one all-reduce then serve the whole model. The module's tensors become views
/// of the buffer; backward passes add straight into the gradient buffer.
public final class FlatParameters {
    /// The names, in the buffer's order.
    public let names: [String]
    /// All parameters, [elements].
    public let values: Tensor
    /// All gradients, [elements].
    public let gradients: Tensor
    /// Where each parameter lies in the buffers.
    public let ranges: [Range<Int>]
    /// The tensors that the model computes with, in the buffer's order: views of it that record gradients.
    let leaves: [Tensor]
    private let shapes: [[Int]]

    // Each parameter starts on a cache line, so that kernels see aligned memory.
    private static let alignment = 16

    /// Moves the parameters into a buffer of their own.
    ///
    /// - Parameter parameters: What is to be trained; gradients are recorded from now on.
    /// - Throws: `TorchError.operation` if LibTorch cannot make the tensors.
    public init(_ parameters: [NamedParameter]) throws {
        names = parameters.map(\.name)
        shapes = parameters.map(\.tensor.shape)
        var ranges: [Range<Int>] = []
        var end = 0
        for parameter in parameters {
            ranges.append(end..<end + parameter.tensor.count)
            end = (end + parameter.tensor.count + Self.alignment - 1) / Self.alignment * Self.alignment
        }
        self.ranges = ranges
        let device = parameters.first?.tensor.device ?? .cpu
        values = try Tensor.zeros([end], device: device)
        gradients = try Tensor.zeros([end], device: device)
        var leaves: [Tensor] = []
        for (parameter, range) in zip(parameters, ranges) {
            let view = try values.narrowed(0, range).viewed(parameter.tensor.shape)
            try withoutGradient { try view.copy(from: parameter.tensor) }
            let leaf = try view.detached().requiringGradient()
            try leaf.setGradient(gradients.narrowed(0, range).viewed(parameter.tensor.shape))
            parameter.tensor = leaf
            leaves.append(leaf)
        }
        self.leaves = leaves
    }

    /// A part of a buffer of this layout, in the parameter's shape.
    public func view(_ index: Int, of buffer: Tensor) throws -> Tensor {
        try buffer.narrowed(0, ranges[index]).viewed(shapes[index])
    }

    /// A buffer of the same layout, by name: for checkpoints.
    public func named(_ buffer: Tensor) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (index, name) in names.enumerated() { result[name] = try view(index, of: buffer) }
        return result
    }

    /// Copies named tensors into a buffer of this layout.
    ///
    /// - Throws: `TorchError.state` naming the first parameter that is missing or of another shape.
    public func load(_ state: [String: Tensor], into buffer: Tensor) throws {
        for (index, name) in names.enumerated() {
            guard let tensor = state[name] else {
                throw TorchError.state("the training state holds nothing for parameter \(name)")
            }
            guard tensor.shape == shapes[index] else {
                throw TorchError.state(
                    "the training state of \(name) has shape \(tensor.shape) where \(shapes[index]) is expected")
            }
            try withoutGradient { try view(index, of: buffer).copy(from: tensor) }
        }
    }

    /// Sets all gradients to zero.
    public func clearGradients() throws { try gradients.zeroInPlace() }
}

/// The Euclidean norm of the gradients of several groups together.
public func gradientNorm(_ groups: [FlatParameters]) throws -> Double {
    let squares = try groups.map { group in
        let norm = try group.gradients.norm().item()
        return norm * norm
    }
    return squares.reduce(0, +).squareRoot()
}
