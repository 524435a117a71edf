/// The extent of a forward pass: results that nothing reads can be omitted.
///
/// A plan changes memory and time, but not the results that are read.
public struct ExecutionPlan: Sendable, Equatable {
    /// Whether convolutions without gradients skip masked frames, whose features then are zeros.
    public var skipsMaskedFrames = true
    /// Whether the last transformer layer transforms only the frames whose context is read.
    public var skipsUnreadFrames = true
    /// Whether the contrastive loss keeps its logits even if a kernel does not need them.
    public var keepsLogits = false
    /// The activations that are kept for the backward pass instead of being recomputed there.
    public var kept: KeptActivations = []
    /// The maximum number of samples that go through the feature extractor together, without gradients on the CPU.
    ///
    /// A longer utterance is processed alone. The output of a layer is then still in the cache when the next one reads
    /// it.
    public var samplesAtOnce = 160_000
    /// The number of transformer layers to run, for features of a lower layer; `nil` for all.
    ///
    /// The remaining layers pass their input on.
    public var depth: Int?

    /// A plan that omits all that can be omitted.
    public static let lean = ExecutionPlan()

    /// A plan that computes all frames of all stages, for probes.
    public static let full: ExecutionPlan = {
        var plan = ExecutionPlan()
        (plan.skipsMaskedFrames, plan.skipsUnreadFrames, plan.keepsLogits) = (false, false, true)
        return plan
    }()

    /// Returns the ranges of utterances that go through the feature extractor together.
    func groups(samples lengths: [Int]) -> [Range<Int>] {
        var (groups, first, sum): ([Range<Int>], Int, Int) = ([], 0, 0)
        for (utterance, length) in lengths.enumerated() {
            if utterance > first, sum + length > samplesAtOnce {
                groups.append(first..<utterance)
                (first, sum) = (utterance, 0)
            }
            sum += length
        }
        return groups + [first..<lengths.count]
    }
}
