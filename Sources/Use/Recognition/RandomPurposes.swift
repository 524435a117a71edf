import W2VBase

extension RandomPurpose {
    /// The utterances of a bootstrap sample.
    public static let bootstrap = RandomPurpose(rawValue: 11)
}
