import W2VBase

extension RandomPurpose {
    /// The frames and centers of clustering.
    public static let clustering = RandomPurpose(rawValue: 13)
}
