import W2VTorch

/// The mask of one dropout: a pure function of a seed that tells which elements are dropped.
///
/// Kernels in host memory and on GPUs draw the same masks.
struct DropoutMask {
    let seed: DropoutSeed
    let probability: Double

    init(_ seed: DropoutSeed, _ probability: Double) {
        self.seed = seed
        self.probability = probability
    }

    /// The mask that drops nothing.
    static let none = DropoutMask(DropoutSeed(offset: 0), 0)

    /// The threshold below which a 32-bit draw drops its element.
    var bound: UInt32 { UInt32(min(max(probability, 0) * 4_294_967_296, 4_294_967_295)) }
    /// The factor on the elements that are kept.
    var scale: Double { 1 / (1 - probability) }
}

extension Module.Mode {
    /// Returns the next dropout's mask; in inference, and at probability 0, it drops nothing.
    func nextMask(_ probability: Double) -> DropoutMask {
        guard probability > 0, let seed = nextDropoutSeed() else { return .none }
        return DropoutMask(seed, probability)
    }
}
