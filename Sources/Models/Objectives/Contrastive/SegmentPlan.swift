import W2VBackbone

/// The random choices of one segment.
public struct SegmentPlan: Sendable {
    /// The utterances of the batch that belong to it.
    public var utterances: Range<Int>
    /// Their masked frames and channels.
    public var mask: Mask
    /// The distractors of their masked frames.
    public var negatives: Negatives
    /// The target quantizer's noise.
    public var noise: QuantizerNoise
    /// The input quantizer's noise, where the model has one.
    public var inputNoise: QuantizerNoise

    /// Makes a plan.
    public init(
        utterances: Range<Int>, mask: Mask, negatives: Negatives, noise: QuantizerNoise,
        inputNoise: QuantizerNoise = .none
    ) {
        self.utterances = utterances
        self.mask = mask
        self.negatives = negatives
        self.noise = noise
        self.inputNoise = inputNoise
    }
}
