import W2VBackbone
import W2VKernels
import W2VTorch

/// The result of a quantizer.
public struct Quantized {
    /// The chosen entries, concatenated over groups: [rows, channels].
    public let vectors: Tensor
    /// The chosen entry of each group: int64 [rows, groups].
    public let codes: Tensor
    /// The number of entries in use: e to the entropy of a segment's mean choice, summed over groups, [segments].
    public let codePerplexity: Tensor
    /// The same for the mean probabilities, [segments]; differentiable, the quantity of the diversity loss.
    public let probabilityPerplexity: Tensor
    /// The number of entries of all groups.
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
    /// The number of code books, each of which chooses a part of the vector.
    public let groups: Int
    /// The number of entries of a code book.
    public let entriesPerGroup: Int
    private let combineGroups: Bool

    /// Makes the quantizer.
    ///
    /// - Parameter outputs: Output channels, a multiple of the groups.
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

    /// Returns the entries of one group, [entries, channels of a group].
    private func book(_ group: Int) throws -> Tensor {
        let start = combineGroups ? 0 : group * entriesPerGroup
        return try entries.selected(0, 0).rows(start..<start + entriesPerGroup)
    }

    private func perplexity(_ probabilities: Tensor) throws -> Tensor {
        // exp(−Σ p log p) per group, summed; probabilities are [segments, groups, entries]. 1e-7 keeps log finite, as
        // in fairseq.
        try (-(probabilities * (probabilities + 1e-7).log()).sum(-1)).exp().sum(-1)
    }

    /// Quantizes [rows, inputs].
    ///
    /// - Parameters:
    ///   - temperature: The Gumbel softmax's temperature τ, a scalar.
    ///   - noise: Its noise n, [rows, groups, entries]; `nil` chooses the most probable entries, and passes no
    ///     gradient.
    ///   - segments: The segments of rows that have perplexities of their own; `nil` for one segment.
    /// - Returns: The quantized vectors, the codes, and the perplexities.
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

    /// Chooses entries with LibTorch's operators, which define what the kernels compute.
    private func choose(
        by projected: Tensor, noise: Tensor?, temperature: Tensor, segments: RowSegments
    ) throws -> EntryChoice {
        // The choice and its statistics are FP32 even in half precision.
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
            // With p = softmax((logits + n) / τ): the forward value is one-hot(argmax p), the gradient that of p
            // (straight through).
            choice = try oneHot(codes) - soft.detached() + soft
        } else {
            choice = hard
            codes = try logits.detached().argmax(-1)
        }
        return EntryChoice(
            choice: choice, codes: codes, meanProbabilities: average, meanChoices: try means(hard))
    }

    /// Returns the most probable entry of each group for [rows, inputs]: int64 [rows, groups].
    public func codes(_ input: Tensor) throws -> Tensor {
        try projection(input).viewed(input.size(0), groups, entriesPerGroup).argmax(-1)
    }

    /// Returns the vectors of chosen entries.
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
