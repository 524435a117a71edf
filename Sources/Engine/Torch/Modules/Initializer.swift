import Foundation

/// A source of a new module's parameters.
public struct Initializer: Sendable {
    private let generator: Generator?
    private let device: Device

    /// Random numbers of one stream, drawn parameter after parameter.
    public static func random(seed: Int64) throws -> Initializer {
        Initializer(generator: try Generator(seed: seed), device: .cpu)
    }

    /// Uninitialized memory, to be filled from a checkpoint; it must not be read before.
    public static let empty = Initializer(generator: nil, device: .cpu)

    /// Shapes only: the parameters are on the meta device and take no memory, however large the model is.
    public static let shapes = Initializer(generator: nil, device: .meta)

    private func make(_ shape: [Int], _ fill: (Tensor, Generator) throws -> Void) throws -> Tensor {
        let tensor = try Tensor.empty(shape, device: device)
        if let generator { try fill(tensor, generator) }
        return tensor
    }

    /// Returns a constant.
    public func constant(_ shape: [Int], _ number: Double) throws -> Tensor {
        try make(shape) { tensor, _ in try tensor.fillInPlace(number) }
    }

    /// Normal numbers of mean 0.
    public func normal(_ shape: [Int], deviation: Double) throws -> Tensor {
        try make(shape) { try $0.fillNormalInPlace(deviation: deviation, generator: $1) }
    }

    /// Uniform numbers of [low, high).
    public func uniform(_ shape: [Int], _ low: Double, _ high: Double) throws -> Tensor {
        try make(shape) { try $0.fillUniformInPlace(low, high, generator: $1) }
    }

    /// Normal numbers that keep the variance through a ReLU (He 2015), by the number of inputs.
    public func kaimingNormal(_ shape: [Int]) throws -> Tensor {
        try normal(shape, deviation: (2 / Double(shape.dropFirst().reduce(1, *))).squareRoot())
    }

    /// Uniform numbers that keep the variance both ways (Glorot and Bengio 2010), for [outputs, inputs].
    public func xavierUniform(_ shape: [Int]) throws -> Tensor {
        let bound = (6 / Double(shape[0] + shape[1])).squareRoot()
        return try uniform(shape, -bound, bound)
    }

    /// Returns the initial values of PyTorch's linear layers: uniform within ±1 / √inputs.
    public func linearDefault(_ shape: [Int], inputs: Int) throws -> Tensor {
        let bound = 1 / Double(inputs).squareRoot()
        return try uniform(shape, -bound, bound)
    }
}
