import Foundation
import W2VBackbone
import W2VTorch

/// Where the Gumbel noise of one quantizer call comes from.
public enum QuantizerNoise: Sendable {
    /// None: the most probable entries are chosen, and no gradient passes through the choice (evaluation).
    case none
    /// Drawn from a generator.
    case drawn(Generator)
    /// Given numbers, [rows · groups, entries].
    case given(Tensor)

    /// The noise of one call of a quantizer.
    ///
    /// - Parameter device: Where they are quantized, and a generator draws.
    /// - Returns: FP32 [rows, groups, entries]; nil for none.
    /// - Throws: `TorchError.shape` for given numbers of another shape.
    package func numbers(rows: Int, _ configuration: ModelConfiguration, on device: Device) throws -> Tensor? {
        try Self.numbers([self], rows: [rows], configuration, on: device)
    }

    /// The noise of one call of a quantizer for several segments: to each, what it would have alone.
    ///
    /// - Parameters:
    ///   - noises: The noise of each segment.
    ///   - rows: How many of its vectors are quantized.
    ///   - device: Where they are quantized, and generators draw.
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
    /// At the first update.
    public let start: Double
    /// The least.
    public let end: Double
    /// The factor from one update to the next.
    public let decay: Double

    /// Makes the schedule from fairseq's `latent_temp`: start, end and decay.
    public init(_ latentTemp: [Double]) {
        start = latentTemp[0]
        end = latentTemp[1]
        decay = latentTemp[2]
    }

    /// The temperature at an update, counted from 1: start · decayᵘ, as in NVIDIA's version.
    public func temperature(update: Int) -> Double {
        max(start * pow(decay, Double(update)), end)
    }
}
