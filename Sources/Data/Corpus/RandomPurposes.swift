import W2VBase

extension RandomPurpose {
    /// The order of utterances and batches.
    public static let shuffle = RandomPurpose(rawValue: 2)
    /// The start offsets of crops.
    public static let crop = RandomPurpose(rawValue: 3)
    /// The choice of utterances held out for validation.
    public static let split = RandomPurpose(rawValue: 12)
}
