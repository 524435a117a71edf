/// The intermediate results that a training pass keeps for its backward pass, although they could be recomputed.
///
/// Keeping takes memory and saves a pass over it; the gradients are the same. Everything else that a backward pass
/// needs is always kept.
public struct KeptActivations: OptionSet, Sendable, Hashable {
    /// A bit for each kind.
    public let rawValue: Int

    /// Makes the set of these bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// The output of the first convolution, if a kernel computes the layer at once.
    public static let firstLayer = KeptActivations(rawValue: 1)
    /// GELU's outputs between the other convolutions.
    public static let extractor = KeptActivations(rawValue: 2)
    /// The outputs of GELU and dropout in the feed-forward blocks.
    public static let feedForward = KeptActivations(rawValue: 4)
    /// All of them.
    public static let all = KeptActivations(inOrder)
    /// Each of them, those that save most per byte first.
    public static let inOrder: [KeptActivations] = [.firstLayer, .extractor, .feedForward]

    /// Chooses what a pass keeps: as much as fits.
    ///
    /// - Parameters:
    ///   - needs: The memory that the batch takes.
    ///   - free: The bytes that a device has for activations; `nil` where nothing is gained by keeping them, as on a
    ///     CPU, whose caches are faster than its memory.
    ///   - share: The share of `free` that may be taken.
    public static func chosen(for needs: ActivationBytes, free: Int?, share: Double = 0.8) -> KeptActivations {
        guard let free else { return [] }
        var (kept, bytes): (KeptActivations, Double) = ([], Double(needs.always))
        for candidate in inOrder {
            bytes += Double(needs.kept(candidate))
            guard bytes <= Double(free) * share else { break }
            kept.insert(candidate)
        }
        return kept
    }
}

/// The memory of a training pass's activations, in bytes, estimated from shapes.
public struct ActivationBytes: Sendable, Equatable {
    /// What a pass takes in any case, at its peak.
    ///
    /// With the parameters, the estimates are 16.3 and 4.3 GB for batches that took 14.8 and 4.3 on an H200.
    public var always: Int
    /// What ``KeptActivations/firstLayer`` takes.
    public var firstLayer: Int
    /// What ``KeptActivations/extractor`` takes.
    public var extractor: Int
    /// What ``KeptActivations/feedForward`` takes.
    public var feedForward: Int

    /// Makes an estimate of known numbers.
    public init(always: Int, firstLayer: Int, extractor: Int, feedForward: Int) {
        (self.always, self.firstLayer) = (always, firstLayer)
        (self.extractor, self.feedForward) = (extractor, feedForward)
    }

    /// Estimates the memory of a batch.
    ///
    /// - Parameters:
    ///   - configuration: The architecture.
    ///   - samples: The samples of each utterance.
    ///   - size: The bytes of a number.
    public init(_ configuration: ModelConfiguration, samples: [Int], elementSize size: Int) {
        let layers = configuration.convFeatureLayers
        var rows = samples.reduce(0) { $0 + ($1 + layers.hop - 1) / layers.hop } * layers.hop
        let outputs = layers.layers.map { layer in
            rows /= layer.stride
            return rows * layer.channels * size
        }
        let frames = samples.reduce(0) { $0 + max(0, layers.frames(samples: $1)) }
        var runs = Double(frames * configuration.encoderLayers)
        if let hourglass = configuration.hourglass {
            let short = Double(frames) / Double(hourglass.factor)
            runs = Double(frames * (hourglass.pre + hourglass.post)) + short * Double(hourglass.middle)
        }
        let (channels, inner) = (configuration.encoderEmbedDim, configuration.encoderFfnEmbedDim)
        // With group norm a kernel gives the first layer's output after GELU.
        let isFused = configuration.extractorMode == .groupNorm
        firstLayer = isFused ? outputs[0] : 0
        extractor = outputs.dropFirst(isFused ? 1 : 0).dropLast().reduce(0, +)
        feedForward = Int(runs) * inner * size
        // A layer keeps its input, queries, keys and values, the attention's output, two sums and their norms, and the
        // hidden activations; with checkpoints its input only.
        let each = configuration.checkpointActivations ? channels : 8 * channels + inner
        // The first output and its gradient pass by, and the positional convolution's spectra are FP32.
        always =
            2 * outputs[0] + outputs.dropFirst().reduce(0, +) + Int(runs) * each * size + 6 * frames * channels * 4
        if configuration.checkpointActivations { feedForward = 0 }
    }

    /// Returns the bytes of one kind.
    func kept(_ kind: KeptActivations) -> Int {
        (kind.contains(.firstLayer) ? firstLayer : 0) + (kind.contains(.extractor) ? extractor : 0)
            + (kind.contains(.feedForward) ? feedForward : 0)
    }
}
