import W2VBase

extension RandomPurpose {
    /// The elements that dropout leaves out.
    public static let dropout = RandomPurpose(rawValue: 8)
}
