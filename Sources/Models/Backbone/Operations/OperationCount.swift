/// How many floating-point operations a model needs for a batch, as its parts declare them (``OperationCounting``).
///
/// Matrix products and convolutions only, a multiplication with its addition as two; normalization, nonlinearities and
/// whatever an implementation computes twice are left out, so that a utilization made of it is a lower bound.
public struct OperationCount: Sendable, Equatable {
    /// The feature extractor, forward, on all frames.
    public var extractor: Double
    /// The same without the frames that a mask hides, which are not computed unless they are learned from.
    public var frozenExtractor: Double
    /// Its first layer, whose input needs no gradient.
    public var firstLayer: Double
    /// The encoder's layers, forward; in pre-training the last transforms masked frames alone.
    public var encoderLayers: Double
    /// All the rest, forward: projection, positional convolution, heads.
    public var rest: Double

    /// One forward pass of which nothing learns.
    public var inference: Double { frozenExtractor + encoderLayers + rest }

    /// Forward and backward pass, the backward twice the forward.
    ///
    /// - Parameters:
    ///   - trainsExtractor: Whether gradients reach the feature extractor.
    ///   - layerDrop: The probability with which a layer is skipped: the expected count is given.
    public func training(trainsExtractor: Bool, layerDrop: Double) -> Double {
        let extraction = trainsExtractor ? 3 * extractor - firstLayer : frozenExtractor
        return extraction + 3 * encoderLayers * (1 - layerDrop) + 3 * rest
    }
}
