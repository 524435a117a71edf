/// Dynamic loss scaling with backoff.
///
/// Sources: Micikevicius et al. 2018; fairseq's and NVIDIA's `DynamicLossScaler`, whose counting this reproduces. The
/// scale doubles after every `window` updates without overflow, and halves after one with overflow.
struct LossScaler: Sendable {
    /// The scaler's state, for a checkpoint.
    struct State: Codable, Equatable, Sendable {
        /// The factor on losses.
        var scale: Double
        /// Number of updates, including those that overflowed.
        var updates = 0
        /// The last update that overflowed.
        var lastOverflow = -1
        /// The last update that changed the scale.
        var lastRescale = -1
        /// Number of overflows since the scale changed.
        var overflowsSinceRescale = 0
    }

    private(set) var state: State
    private let window: Int
    private let tolerance: Double
    private let threshold: Double?
    private let minimum: Double

    /// Starts at the initial scale, or continues from a state.
    init(_ options: Recipe.PrecisionSection, updateFreq: Int, state: State? = nil) {
        self.state = state ?? State(scale: options.fp16InitScale)
        window = max(1, options.fp16ScaleWindow ?? (1 << 14) / max(1, updateFreq))
        tolerance = options.fp16ScaleTolerance
        threshold = options.thresholdLossScale
        minimum = options.minLossScale
    }

    /// The factor on losses.
    var scale: Double { state.scale }

    /// Counts an update without overflow.
    mutating func succeed() {
        if (state.updates - state.lastOverflow) % window == 0 {
            state.scale *= 2
            state.lastRescale = state.updates
        }
        state.updates += 1
    }

    /// Counts an update whose gradients overflowed.
    ///
    /// - Returns: Whether training can continue; otherwise the minimum is reached, and the scale is unchanged.
    mutating func overflow() -> Bool {
        let before = state.scale
        state.lastOverflow = state.updates
        state.overflowsSinceRescale += 1
        let share = Double(state.overflowsSinceRescale) / Double(state.updates - state.lastRescale)
        if share >= tolerance {
            state.scale = max(state.scale / 2, threshold ?? 0)
            state.lastRescale = state.updates
            state.overflowsSinceRescale = 0
        }
        guard state.scale > minimum else {
            state.scale = before
            return false
        }
        state.updates += 1
        return true
    }
}
