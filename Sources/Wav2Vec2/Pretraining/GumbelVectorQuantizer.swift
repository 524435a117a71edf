import Foundation
import Torch

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
    /// - Parameters:
    ///   - rows: How many vectors are quantized.
    ///   - configuration: Groups and entries.
    ///   - device: Where they are quantized, and a generator draws.
    /// - Returns: FP32 [rows, groups, entries]; nil for none.
    /// - Throws: `TorchError.shape` for given numbers of another shape.
    func numbers(rows: Int, _ configuration: ModelConfiguration, on device: Device) throws -> Tensor? {
        let shape = [rows, configuration.latentGroups, configuration.latentVars]
        switch self {
        case .none: return nil
        case .given(let numbers): return try numbers.viewed(shape)
        case .drawn(let generator):
            let exponential = try Tensor.empty(shape, device: device)
            try exponential.fillExponentialInPlace(generator: generator)
            return try -exponential.log()
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

/// What a quantizer makes of its input.
public struct Quantized {
    /// The chosen entries, concatenated over groups: [rows, channels].
    public let vectors: Tensor
    /// The chosen entry of each group: int64 [rows, groups].
    public let codes: Tensor
    /// e to the entropy of the mean choice, summed over groups: how many entries are in use.
    public let codePerplexity: Tensor
    /// The same of the mean probabilities; differentiable, the diversity loss's quantity.
    public let probabilityPerplexity: Tensor
    /// All entries of all groups.
    public let entryCount: Int
}

/// One block of a deeper projection to logits.
final class ProjectionBlock: Module {
    @Child("0") var linear: Linear

    init(_ inputs: Int, _ outputs: Int, initializer: Initializer) throws {
        super.init()
        linear = try Linear(inputs, outputs, initializer: initializer)
    }
}

/// The projection to logits: one linear layer, or several with GELU between them.
final class LogitProjection: Module {
    @Child("") var single: Linear?
    @Child("") var stages: [Module]
    private let hidden: [ProjectionBlock]
    private let last: Linear
    /// The linear layers, first to last.
    var layers: [Linear] { hidden.map(\.linear) + [last] }

    init(_ inputs: Int, _ outputs: Int, depth: Int, factor: Int, initializer: Initializer) throws {
        let inner = inputs * factor
        hidden = try (0..<depth - 1).map {
            try ProjectionBlock($0 == 0 ? inputs : inner, inner, initializer: initializer)
        }
        last =
            try depth > 1
            ? Linear(inner, outputs, initializer: initializer)
            : Linear(inputs, outputs, start: .normal(1), initializer: initializer)
        super.init()
        // A single layer has no number in its name.
        single = depth > 1 ? nil : last
        stages = depth > 1 ? hidden + [last] : []
    }

    func callAsFunction(_ input: Tensor) throws -> Tensor {
        var features = input
        for block in hidden { features = try block.linear(features).gelu() }
        return try last(features)
    }
}

/// Chooses one entry of each of several code books by a Gumbel softmax (paper, section 2, equation 1).
public final class GumbelVectorQuantizer: Module {
    @Parameter("vars") var entries: Tensor
    @Child("weight_proj") var projection: LogitProjection
    /// How many code books, each choosing a part of the vector.
    public let groups: Int
    /// Entries of a code book.
    public let entriesPerGroup: Int
    private let combineGroups: Bool

    /// Makes the quantizer.
    ///
    /// - Parameters:
    ///   - inputs: Input channels.
    ///   - outputs: Output channels, a multiple of the groups.
    ///   - configuration: Entries, groups, depth and factor.
    ///   - initializer: Where the numbers come from.
    /// - Throws: `TorchError.operation` if LibTorch cannot make the tensors.
    init(inputs: Int, outputs: Int, _ configuration: ModelConfiguration, initializer: Initializer) throws {
        groups = configuration.latentGroups
        entriesPerGroup = configuration.latentVars
        combineGroups = configuration.combineGroups
        super.init()
        let books = combineGroups ? 1 : groups
        entries = try initializer.uniform([1, books * entriesPerGroup, outputs / groups], 0, 1)
        projection = try LogitProjection(
            inputs, groups * entriesPerGroup, depth: configuration.quantizerDepth,
            factor: configuration.quantizerFactor, initializer: initializer)
    }

    /// The entries of one group, [entries, channels of a group].
    private func book(_ group: Int) throws -> Tensor {
        let start = combineGroups ? 0 : group * entriesPerGroup
        return try entries.selected(0, 0).rows(start..<start + entriesPerGroup)
    }

    private func perplexity(_ probabilities: Tensor) throws -> Tensor {
        // [groups, entries]; the small number keeps log defined, as in fairseq.
        try (-(probabilities * (probabilities + 1e-7).log()).sum(-1)).exp().sum()
    }

    /// Quantizes [rows, inputs].
    ///
    /// - Parameters:
    ///   - input: What is quantized.
    ///   - temperature: The Gumbel softmax's temperature, a single number.
    ///   - noise: Its noise, [rows, groups, entries]; `nil` chooses the most probable entries, and lets no gradient pass.
    /// - Returns: The quantized vectors, the codes and how evenly the entries are used.
    /// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
    public func callAsFunction(_ input: Tensor, temperature: Tensor, noise: Tensor?) throws -> Quantized {
        let rows = input.size(0)
        let logits = try projection(input).viewed(rows, groups, entriesPerGroup)
        let chosen =
            try logits.choosingEntries(noise: noise, temperature: temperature)
            ?? choose(by: logits, noise: noise, temperature: temperature)
        let choice = try chosen.choice.to(dtype: entries.dtype)
        let parts = try (0..<groups).map { group in
            try choice.selected(1, group).matmul(book(group))
        }
        return Quantized(
            vectors: try .concatenate(parts, -1), codes: chosen.codes,
            codePerplexity: try withoutGradient { try perplexity(chosen.meanChoices) },
            probabilityPerplexity: try perplexity(chosen.meanProbabilities), entryCount: groups * entriesPerGroup)
    }

    /// The choice by LibTorch's operators, which defines what the kernels compute.
    private func choose(by projected: Tensor, noise: Tensor?, temperature: Tensor) throws -> EntryChoice {
        // The choice and its statistics are FP32 in half precision too.
        let logits = try projected.dtype.isHalfPrecision ? projected.to(dtype: .float32) : projected
        let average = try logits.softmax(-1, dtype: .float32).mean(0)
        let hard = try oneHot(logits.detached().argmax(-1)).to(dtype: logits.dtype)
        let choice: Tensor
        let codes: Tensor
        if let noise {
            let soft = try ((logits + noise) / temperature).softmax(-1)
            codes = try soft.detached().argmax(-1)
            // The forward value is one-hot, the gradient the soft choice's (straight through).
            choice = try oneHot(codes) - soft.detached() + soft
        } else {
            choice = hard
            codes = try logits.detached().argmax(-1)
        }
        return EntryChoice(
            choice: choice, codes: codes, meanProbabilities: average, meanChoices: try hard.mean(0))
    }

    /// The most probable entry of each group for [rows, inputs]: int64 [rows, groups].
    public func codes(_ input: Tensor) throws -> Tensor {
        try projection(input).viewed(input.size(0), groups, entriesPerGroup).argmax(-1)
    }

    /// The vectors of chosen entries.
    ///
    /// - Parameter codes: int64 [rows, groups].
    /// - Returns: [rows, outputs].
    /// - Throws: `TorchError.operation` for a code beyond the entries.
    func vectors(_ codes: Tensor) throws -> Tensor {
        try .concatenate((0..<groups).map { try book($0).taking(codes.selected(1, $0)) }, -1)
    }

    private func oneHot(_ codes: Tensor) throws -> Tensor {
        let range = try Tensor.range(0..<entriesPerGroup, device: codes.device)
        return try codes.unsqueezed(-1).equals(range).to(dtype: .float32)
    }
}
