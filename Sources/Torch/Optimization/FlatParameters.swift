/// Parameters of a model laid end to end in one buffer, and their gradients in another.
///
/// One fused optimizer call, one norm and one all-reduce then serve the whole model. The module's tensors become views
/// of the buffer; backward passes add straight into the gradient buffer.
///
/// In half precision (``lower(to:except:)``) the buffers stay what the optimizer sees, FP32 master weights and FP32
/// gradients, and the module computes with a rounded copy whose gradients are collected after each backward pass (the
/// O2 scheme of Micikevicius et al. 2018).
public final class FlatParameters {
    /// The names, in the buffer's order.
    public let names: [String]
    /// All parameters, [elements].
    public let values: Tensor
    /// All gradients, [elements].
    public let gradients: Tensor
    /// Where each parameter lies in the buffers.
    public let ranges: [Range<Int>]
    private let parameters: [NamedParameter]
    private let shapes: [[Int]]
    /// The rounded parameters that the module computes with, and their gradients, in the same layout.
    private var lowered: (values: Tensor, gradients: Tensor)?

    // Each parameter starts on a cache line, so that kernels see aligned memory.
    private static let alignment = 16

    /// Moves the parameters into a buffer of their own.
    ///
    /// - Parameter parameters: What is to be trained; gradients are recorded from now on.
    /// - Throws: `TorchError.operation` if LibTorch cannot make the tensors.
    public init(_ parameters: [NamedParameter]) throws {
        self.parameters = parameters
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
        for (index, parameter) in parameters.enumerated() {
            try withoutGradient { try view(index, of: values).copy(from: parameter.tensor) }
            try place(index, in: values, gradients)
        }
    }

    /// Makes the module's tensor a view of a buffer, with its gradient a view of another.
    private func place(_ index: Int, in values: Tensor, _ gradients: Tensor) throws {
        let leaf = try view(index, of: values).detached().requiringGradient()
        try leaf.setGradient(view(index, of: gradients))
        parameters[index].tensor = leaf
    }

    /// Makes the module compute in half precision; the buffers here stay FP32.
    ///
    /// - Parameters:
    ///   - type: `float16` or `bfloat16`.
    ///   - staysExact: Whether the parameter of a name stays FP32 in the module too.
    /// - Throws: `TorchError.operation` if LibTorch cannot make the tensors.
    public func lower(to type: DType, except staysExact: (String) -> Bool) throws {
        let made = (
            values: try values.to(dtype: type), gradients: try gradients.zerosLike().to(dtype: type)
        )
        for (index, name) in names.enumerated() where !staysExact(name) {
            try place(index, in: made.values, made.gradients)
        }
        lowered = made
    }

    /// The tensors that the module computes with, in the buffer's order.
    var leaves: [Tensor] { parameters.map(\.tensor) }

    /// After a backward pass in half precision: adds its gradients to the FP32 ones.
    ///
    /// - Parameter range: The elements whose gradients are complete; `nil` for all.
    /// - Throws: `TorchError.operation` for elements beyond the buffer.
    public func collectGradients(in range: Range<Int>? = nil) throws {
        guard let lowered else { return }
        let part = range ?? 0..<gradients.count
        let fresh = try lowered.gradients.rows(part)
        try gradients.rows(part).addInPlace(fresh)
        try fresh.zeroInPlace()
    }

    /// After a change of the buffer: rounds it for the module, where that computes in half precision.
    public func publish() throws {
        guard let lowered else { return }
        try withoutGradient { try lowered.values.copy(from: values) }
    }

    /// A part of a buffer of this layout, in the parameter's shape.
    public func view(_ index: Int, of buffer: Tensor) throws -> Tensor {
        try buffer.narrowed(0, ranges[index]).viewed(shapes[index])
    }

    /// All parts of a buffer of this layout.
    func views(of buffer: Tensor) throws -> [Tensor] { try names.indices.map { try view($0, of: buffer) } }

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
    public func clearGradients() throws {
        try gradients.zeroInPlace()
        try lowered?.gradients.zeroInPlace()
    }
}

/// The Euclidean norm of the gradients of several groups together.
public func gradientNorm(_ groups: [FlatParameters]) throws -> Double {
    let squares = try groups.map { group in
        let norm = try group.gradients.norm().item()
        return norm * norm
    }
    return squares.reduce(0, +).squareRoot()
}
