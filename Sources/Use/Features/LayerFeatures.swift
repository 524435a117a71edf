import W2VTorch

/// How the frames of a recording become one vector.
public enum Pooling: String, Sendable, Codable, CaseIterable {
    /// They do not: every frame is kept.
    case none
    /// The mean over time.
    case mean
    /// The largest value over time, for each dimension by itself.
    case max
    /// Mean and standard deviation over time, one after the other: twice as many numbers.
    case meanStd = "mean-std"

    /// Pools [frames, dimension]; `none` gives the same, others a vector.
    func callAsFunction(_ frames: Tensor) throws -> Tensor {
        switch self {
        case .none: frames
        case .mean: try frames.mean(0)
        case .max: try frames.maximum(0)
        case .meanStd:
            try {
                let (variance, mean) = try frames.varianceAndMean(0)
                return try .concatenate([mean.reshaped(-1), variance.squareRoot().reshaped(-1)])
            }()
        }
    }
}

/// What is to be taken from a model.
public struct FeatureRequest: Sendable, Equatable {
    /// The layers, in the order in which they are wanted.
    public var layers: [FeatureLayer]
    /// How frames become one vector.
    public var pooling: Pooling
    /// Whether each frame of an Hourglass's shortened layers is repeated, to the rate of the others.
    public var upsamples: Bool

    /// Asks for layers.
    ///
    /// - Parameters:
    ///   - layers: At least one.
    ///   - pooling: How frames become one vector.
    ///   - upsamples: Whether the shortened layers of an Hourglass get the rate of the others.
    public init(_ layers: [FeatureLayer], pooling: Pooling = .none, upsamples: Bool = false) {
        self.layers = layers
        self.pooling = pooling
        self.upsamples = upsamples
    }
}

/// What a layer makes of a recording.
public struct LayerFeatures: Sendable {
    /// The layer.
    public let layer: FeatureLayer
    /// FP32 in host memory: [frames, dimension], or [dimension] where frames were pooled.
    public let values: Tensor
    /// Frames a second, before any pooling: 50 of the usual models.
    public let rate: Double

    /// The frames; 1 where they were pooled.
    public var frames: Int { values.rank == 1 ? 1 : values.size(0) }
    /// Numbers a frame.
    public var dimension: Int { values.size(-1) }

    /// Gathers features.
    ///
    /// - Parameters:
    ///   - layer: The layer.
    ///   - values: FP32 in host memory, [frames, dimension] or [dimension].
    ///   - rate: Frames a second.
    public init(layer: FeatureLayer, values: Tensor, rate: Double) {
        self.layer = layer
        self.values = values
        self.rate = rate
    }
}

/// The entries that the quantizer chooses, frame by frame: the discrete targets of pre-training (paper, section 2).
public struct QuantizerCodes: Sendable, Equatable {
    /// The chosen entry of each group, frame after frame.
    public let entries: [[Int]]
    /// How many entries a group has.
    public let entriesPerGroup: Int

    /// Gathers codes.
    ///
    /// - Parameters:
    ///   - entries: For each frame one entry a group, from 0.
    ///   - entriesPerGroup: How many there are to choose from.
    public init(entries: [[Int]], entriesPerGroup: Int) {
        self.entries = entries
        self.entriesPerGroup = entriesPerGroup
    }

    /// One number a frame for the choices of all groups: with two groups of V entries g₁·V + g₂, the first group counting
    /// most, as a number written in base V.
    public var joined: [Int] { entries.map { $0.reduce(0) { $0 * entriesPerGroup + $1 } } }
}
