import W2VTorch

/// A method of pooling the frames of a recording into one vector.
public enum Pooling: String, Sendable, Codable, CaseIterable {
    /// No pooling: every frame is kept.
    case none
    /// The mean over time.
    case mean
    /// The largest value over time, for each dimension.
    case max
    /// Mean and standard deviation over time, concatenated: a vector of twice the length.
    case meanStd = "mean-std"

    /// Pools [frames, dimension]; `none` returns the frames unchanged, the others a vector.
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

/// A request for features: layers, pooling and rate.
public struct FeatureRequest: Sendable, Equatable {
    /// The layers, in the order of the results.
    public var layers: [FeatureLayer]
    /// The pooling of frames.
    public var pooling: Pooling
    /// Whether each frame of an Hourglass's shortened layers is repeated up to the rate of the others.
    public var upsamples: Bool

    /// Makes a request.
    ///
    /// - Parameters:
    ///   - layers: At least one layer.
    ///   - pooling: The pooling of frames.
    ///   - upsamples: Whether the shortened layers of an Hourglass are brought to the rate of the others.
    public init(_ layers: [FeatureLayer], pooling: Pooling = .none, upsamples: Bool = false) {
        self.layers = layers
        self.pooling = pooling
        self.upsamples = upsamples
    }
}

/// A layer's output for a recording.
public struct LayerFeatures: Sendable {
    /// The layer.
    public let layer: FeatureLayer
    /// The output in FP32, in host memory: [frames, dimension], or [dimension] if frames were pooled.
    public let values: Tensor
    /// The frames per second, before any pooling; 50 in the usual models.
    public let rate: Double

    /// The number of frames; 1 if they were pooled.
    public var frames: Int { values.rank == 1 ? 1 : values.size(0) }
    /// The length of a frame's vector.
    public var dimension: Int { values.size(-1) }

    /// Makes features.
    ///
    /// - Parameters:
    ///   - layer: The layer.
    ///   - values: FP32 in host memory, [frames, dimension] or [dimension].
    ///   - rate: The frames per second.
    public init(layer: FeatureLayer, values: Tensor, rate: Double) {
        self.layer = layer
        self.values = values
        self.rate = rate
    }
}

/// The code book entries that the quantizer chooses, frame by frame: the discrete targets of pre-training (paper,
/// section 2).
public struct QuantizerCodes: Sendable, Equatable {
    /// The chosen entry of each group, for each frame.
    public let entries: [[Int]]
    /// The number of entries of a group.
    public let entriesPerGroup: Int

    /// Makes codes.
    ///
    /// - Parameters:
    ///   - entries: One entry per group for each frame, from 0.
    ///   - entriesPerGroup: The number of entries of a group.
    public init(entries: [[Int]], entriesPerGroup: Int) {
        self.entries = entries
        self.entriesPerGroup = entriesPerGroup
    }

    /// One number per frame for the choices of all groups.
    ///
    /// With two groups of V entries it is g₁·V + g₂: the first group is the most significant digit of a number in base V.
    public var joined: [Int] { entries.map { $0.reduce(0) { $0 * entriesPerGroup + $1 } } }
}
