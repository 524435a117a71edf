/// How much of a forward pass is computed: results that nothing reads can be left out.
///
/// A plan changes memory and time, and no number that is read.
public struct ExecutionPlan: Sendable, Equatable {
    /// Whether convolutions without gradients skip the frames that a mask hides, whose features are then zeros.
    public var skipsMaskedFrames = true
    /// Whether the last transformer layer transforms only the frames whose context is read.
    public var skipsUnreadFrames = true
    /// Whether the contrastive loss keeps its logits where a kernel could do without.
    public var keepsLogits = false
    /// The most samples that go through the feature extractor together without gradients on the CPU.
    ///
    /// A longer utterance goes alone. What a layer writes is then still in the cache when the next one reads it.
    public var samplesAtOnce = 160_000
    /// The number of transformer layers that run, where features of a lower one are wanted; `nil` for all.
    ///
    /// The others pass their input on.
    public var depth: Int?

    /// Leaves out all that can be.
    public static let lean = ExecutionPlan()

    /// Computes all frames of all stages, as for a probe that looks at them.
    public static let full: ExecutionPlan = {
        var plan = ExecutionPlan()
        (plan.skipsMaskedFrames, plan.skipsUnreadFrames, plan.keepsLogits) = (false, false, true)
        return plan
    }()

    /// Utterances, in order, that go through the feature extractor together.
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
