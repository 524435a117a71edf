/// The floating-point operations that a model needs for a batch, as its parts declare them (``OperationCounting``).
///
/// Only matrix products and convolutions count, a multiply-add as two; normalization, nonlinearities and recomputation
/// are excluded, so that a utilization computed from it is a lower bound.
public struct OperationCount: Sendable, Equatable {
    /// The feature extractor, forward, on all frames.
    public var extractor: Double
    /// The same without masked frames, which a frozen extractor skips.
    public var frozenExtractor: Double
    /// Its first layer, whose input needs no gradient.
    public var firstLayer: Double
    /// The encoder's layers, forward; in pre-training the last transforms masked frames only.
    public var encoderLayers: Double
    /// Everything else, forward: projection, positional convolution, heads.
    public var rest: Double

    /// The operations of a forward pass without gradients.
    public var inference: Double { frozenExtractor + encoderLayers + rest }

    /// Returns the operations of a forward and backward pass, the backward twice the forward.
    ///
    /// - Parameters:
    ///   - trainsExtractor: Whether gradients reach the feature extractor.
    ///   - layerDrop: The probability with which a layer is skipped: the result is the expected count.
    public func training(trainsExtractor: Bool, layerDrop: Double) -> Double {
        let extraction = trainsExtractor ? 3 * extractor - firstLayer : frozenExtractor
        return extraction + 3 * encoderLayers * (1 - layerDrop) + 3 * rest
    }
}
