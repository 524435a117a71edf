import W2VBackbone
import W2VKernels
import W2VTorch

/// What a quantizer makes of its input.
public struct Quantized {
    /// The chosen entries, concatenated over groups: [rows, channels].
    public let vectors: Tensor
    /// The chosen entry of each group: int64 [rows, groups].
    public let codes: Tensor
    /// e to the entropy of a segment's mean choice, summed over groups: how many entries are in use, [segments].
    public let codePerplexity: Tensor
    /// The same of the mean probabilities, [segments]; differentiable, the diversity loss's quantity.
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
    ///   - outputs: Output channels, a multiple of the groups.
    ///   - initializer: Where the numbers come from.
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
        // [segments, groups, entries]; the small number keeps log defined, as in fairseq.
        try (-(probabilities * (probabilities + 1e-7).log()).sum(-1)).exp().sum(-1)
    }

    /// Quantizes [rows, inputs].
    ///
    /// - Parameters:
    ///   - temperature: The Gumbel softmax's temperature, a single number.
    ///   - noise: Its noise, [rows, groups, entries]; `nil` chooses the most probable entries, and lets no gradient pass.
    ///   - segments: The rows that have perplexities of their own; `nil` for all together.
    /// - Returns: The quantized vectors, the codes and how evenly the entries are used.
    public func callAsFunction(
        _ input: Tensor, temperature: Tensor, noise: Tensor?, segments: RowSegments? = nil
    ) throws -> Quantized {
        let rows = input.size(0)
        let logits = try projection(input).viewed(rows, groups, entriesPerGroup)
        let chosen =
            try logits.choosingEntries(noise: noise, temperature: temperature, segments: segments)
            ?? choose(
                by: logits, noise: noise, temperature: temperature,
                segments: segments ?? RowSegments([rows], on: input.device))
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
    private func choose(
        by projected: Tensor, noise: Tensor?, temperature: Tensor, segments: RowSegments
    ) throws -> EntryChoice {
        // The choice and its statistics are FP32 in half precision too.
        let logits = try projected.dtype.isHalfPrecision ? projected.to(dtype: .float32) : projected
        func means(_ choices: Tensor) throws -> Tensor {
            try segments.means(ofVectors: choices.viewed(choices.size(0), -1)).viewed(-1, groups, entriesPerGroup)
        }
        let average = try means(logits.softmax(-1, dtype: .float32))
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
            choice: choice, codes: codes, meanProbabilities: average, meanChoices: try means(hard))
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
