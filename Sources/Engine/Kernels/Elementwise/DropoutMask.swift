import W2VTorch

/// One dropout: which elements it drops, as a pure function of a seed.
///
/// Kernels in host memory and on GPUs draw the same masks.
struct DropoutMask {
    let seed: DropoutSeed
    let probability: Double

    init(_ seed: DropoutSeed, _ probability: Double) {
        self.seed = seed
        self.probability = probability
    }

    /// Drops nothing.
    static let none = DropoutMask(DropoutSeed(offset: 0), 0)

    /// The bound below which a draw drops its element.
    var bound: UInt32 { UInt32(min(max(probability, 0) * 4_294_967_296, 4_294_967_295)) }
    /// What the other elements are multiplied by.
    var scale: Double { 1 / (1 - probability) }
}

extension Module.Mode {
    /// The next dropout's mask; in inference, and at probability 0, it drops nothing.
    func nextMask(_ probability: Double) -> DropoutMask {
        guard probability > 0, let seed = nextDropoutSeed() else { return .none }
        return DropoutMask(seed, probability)
    }
}
