import W2VBase

extension RandomPurpose {
    /// The distractors of masked frames.
    public static let negatives = RandomPurpose(rawValue: 6)
    /// The noise of the Gumbel softmax.
    public static let gumbelNoise = RandomPurpose(rawValue: 7)
    /// The draws of an objective from outside, by its name.
    public static let objective = RandomPurpose(rawValue: 14)
}
