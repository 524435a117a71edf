/// How many floating-point operations a model needs for a batch, counted analytically.
///
/// Matrix products and convolutions only, a multiplication with its addition as two; normalisation, nonlinearities and
/// whatever an implementation computes twice are left out, so that a utilisation made of it is a lower bound.
public struct OperationCount: Sendable {
    /// The heads that count besides extractor and encoder.
    public enum Head: Sendable {
        /// Pre-training, with this many masked frames in each utterance.
        case pretraining(masked: [Int])
        /// Recognition, with this many labels, and for each utterance the sorted positions of masked frames; empty in
        /// inference.
        case ctc(labels: Int, masked: [[Int]] = [])
    }

    /// The feature extractor, forward, on all frames.
    public let extractor: Double
    /// The same without the frames that a mask hides, which are not computed unless they are learned from.
    public let frozenExtractor: Double
    /// Its first layer, whose input needs no gradient.
    public let firstLayer: Double
    /// The encoder's layers, forward; in pre-training the last transforms masked frames alone.
    public let encoderLayers: Double
    /// All the rest, forward: projection, positional convolution, heads.
    public let rest: Double

    /// Counts.
    ///
    /// - Parameters:
    ///   - configuration: The architecture.
    ///   - samples: The samples of each utterance.
    ///   - head: The head.
    public init(_ configuration: ModelConfiguration, samples: [Int], head: Head) {
        let layers = configuration.convFeatureLayers
        let channels = Double(configuration.encoderEmbedDim)
        let frames = samples.map(layers.frames(samples:))
        let perLayer = Self.convolutions(layers, samples: samples)
        extractor = perLayer.reduce(0, +)
        firstLayer = perLayer.first ?? 0
        if case .ctc(_, let masked) = head, masked.contains(where: { !$0.isEmpty }) {
            let read = FrameRuns(lengths: frames, masked: masked).samples(layers)
            frozenExtractor = Self.convolutions(layers, samples: read).reduce(0, +)
        } else {
            frozenExtractor = extractor
        }

        func transformer(_ count: Int, _ lengths: [Int]) -> Double {
            let inner = Double(configuration.encoderFfnEmbedDim)
            let perUtterance = lengths.map { length in
                let rows = Double(length)
                return 2 * rows * (4 * channels * channels + 2 * channels * inner) + 4 * rows * rows * channels
            }
            return Double(count) * perUtterance.reduce(0, +)
        }
        let total = Double(frames.reduce(0, +))
        let features = Double(configuration.extractorChannels)
        var rest = features == channels ? 0 : 2 * total * features * channels
        rest += 2 * total * channels * channels * Double(configuration.convPos) / Double(configuration.convPosGroups)
        var encoder: Double
        if let hourglass = configuration.hourglass {
            let short = frames.map { ($0 + hourglass.factor - 1) / hourglass.factor }
            encoder = transformer(hourglass.pre + hourglass.post, frames) + transformer(hourglass.middle, short)
            if configuration.hourglassResample == .linear {
                rest += 4 * Double(short.reduce(0, +) * hourglass.factor) * channels * channels
            }
        } else {
            encoder = transformer(configuration.encoderLayers, frames)
        }
        switch head {
        case .ctc(let labels, _):
            rest += 2 * total * channels * Double(labels)
        case .pretraining(let masked):
            let target = Double(configuration.targetChannels)
            let latent = configuration.latentDim > 0 ? Double(configuration.latentDim) : target
            let count = Double(masked.reduce(0, +))
            if configuration.quantizeTargets {
                let groups = configuration.combineGroups ? 1 : configuration.latentGroups
                rest += 2 * count * features * Double(configuration.latentVars * groups)
            }
            rest += 2 * count * ((configuration.quantizeTargets ? latent : features) * target + channels * target)
            rest += masked.reduce(0) { $0 + 2 * Double($1 * $1) * target }
            if configuration.hourglass.map({ $0.post > 0 }) ?? (configuration.encoderLayers > 0) {
                // The attention's output projection and the feed-forward block.
                encoder -= 2 * (total - count) * channels * (channels + 2 * Double(configuration.encoderFfnEmbedDim))
            }
        }
        encoderLayers = encoder
        self.rest = rest
    }

    /// The operations of each convolution on signals of these lengths.
    private static func convolutions(_ layers: ConvolutionLayers, samples: [Int]) -> [Double] {
        var operations = layers.layers.map { _ in 0.0 }
        for length in samples {
            var inputs = 1
            for (index, rows) in layers.validRows(samples: length).enumerated() {
                let layer = layers.layers[index]
                operations[index] += 2 * Double(rows * layer.kernel * inputs * layer.channels)
                inputs = layer.channels
            }
        }
        return operations
    }

    /// One forward pass of which nothing learns.
    public var inference: Double { frozenExtractor + encoderLayers + rest }

    /// Forward and backward pass, the backward twice the forward.
    ///
    /// - Parameters:
    ///   - trainsExtractor: Whether gradients reach the feature extractor.
    ///   - layerDrop: The probability with which a layer is skipped: the expected count is given.
    /// - Returns: Operations.
    public func training(trainsExtractor: Bool, layerDrop: Double) -> Double {
        let extraction = trainsExtractor ? 3 * extractor - firstLayer : frozenExtractor
        return extraction + 3 * encoderLayers * (1 - layerDrop) + 3 * rest
    }
}
