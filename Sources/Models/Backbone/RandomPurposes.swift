import W2VBase

extension RandomPurpose {
    /// The initial weights.
    public static let initialization = RandomPurpose(rawValue: 1)
    /// The masked spans of frames.
    public static let timeMask = RandomPurpose(rawValue: 4)
    /// The masked spans of channels.
    public static let channelMask = RandomPurpose(rawValue: 5)
    /// The layers that LayerDrop leaves out.
    public static let layerDrop = RandomPurpose(rawValue: 9)
}
