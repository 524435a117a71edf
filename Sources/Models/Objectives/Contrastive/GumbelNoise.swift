import Foundation
import W2VBackbone
import W2VTorch

/// The source of the Gumbel noise of one quantizer call.
public enum QuantizerNoise: Sendable {
    /// No noise: the most probable entries are chosen, and no gradient passes through the choice (evaluation).
    case none
    /// Drawn from a generator.
    case drawn(Generator)
    /// Given numbers, [rows · groups, entries].
    case given(Tensor)

    /// Returns the noise of one call of a quantizer.
    ///
    /// - Parameter device: The device of the input and of a generator.
    /// - Returns: FP32 [rows, groups, entries]; nil for none.
    /// - Throws: `TorchError.shape` for given numbers of another shape.
    package func numbers(rows: Int, _ configuration: ModelConfiguration, on device: Device) throws -> Tensor? {
        try Self.numbers([self], rows: [rows], configuration, on: device)
    }

    /// Returns the noise of one call of a quantizer for several segments: to each, the noise that it would have alone.
    ///
    /// - Parameters:
    ///   - noises: The noise of each segment.
    ///   - rows: The number of quantized vectors of each segment.
    ///   - device: The device of the input and of generators.
    /// - Returns: FP32 [rows, groups, entries]; nil for none.
    /// - Throws: `TorchError.shape` for given numbers of another shape, or noise that not all segments have.
    static func numbers(
        _ noises: [QuantizerNoise], rows: [Int], _ configuration: ModelConfiguration, on device: Device
    ) throws -> Tensor? {
        let (groups, entries) = (configuration.latentGroups, configuration.latentVars)
        let layout = RaggedLayout(rows)
        let given = try zip(noises, rows).compactMap { noise, count in
            if case .given(let numbers) = noise { try numbers.viewed(count, groups, entries) } else { nil }
        }
        let generators = noises.compactMap { noise in
            if case .drawn(let generator) = noise { generator } else { nil }
        }
        switch (given.count, generators.count) {
        case (0, 0): return nil
        case (noises.count, 0): return try .concatenate(given)
        case (0, noises.count):
            let exponential = try Tensor.empty([layout.total, groups, entries], device: device)
            for (segment, generator) in generators.enumerated() {
                try exponential.rows(layout.rows(segment)).fillExponentialInPlace(generator: generator)
            }
            return try -exponential.log()
        default: throw TorchError.shape("the segments of a batch have noise of different kinds")
        }
    }
}

/// The Gumbel temperature as a function of the update number alone.
public struct TemperatureSchedule: Sendable, Equatable {
    /// The temperature at the first update.
    public let start: Double
    /// The lowest temperature.
    public let end: Double
    /// The factor from one update to the next.
    public let decay: Double

    /// Makes the schedule from fairseq's `latent_temp`: start, end and decay.
    public init(_ latentTemp: [Double]) {
        start = latentTemp[0]
        end = latentTemp[1]
        decay = latentTemp[2]
    }

    /// Returns the temperature at an update, counted from 1: max(end, start · decayᵘ), as in NVIDIA's version.
    public func temperature(update: Int) -> Double {
        max(start * pow(decay, Double(update)), end)
    }
}
