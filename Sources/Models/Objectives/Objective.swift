import W2VBackbone
import W2VTorch

/// Something to learn from batches of utterances: a configuration, parameters beside the backbone's, random draws, a loss
/// and metrics.
///
/// An objective is one file and one line of registration (``ObjectiveRegistry``). It is learned alone, as
/// ``ContrastiveObjective`` in pre-training and ``CTCObjective`` in fine-tuning are, or beside one of these two.
public protocol Objective: ConvertibleModel {
    /// The section of recipes that configures it.
    associatedtype Configuration: ObjectiveConfiguration
    /// What is drawn at random for a batch.
    associatedtype Draws: BatchDraws = NoDraws

    /// The name in recipes and checkpoints, in snake case.
    static var name: String { get }
    /// The metrics that it reports; no two objectives of a run report the same name.
    static var metrics: [Metric] { get }
    /// The frames whose context vectors it reads: the encoder's last layer transforms no others.
    static var reads: EncodedFrames { get }

    /// Makes the objective's own parameters.
    ///
    /// - Parameters:
    ///   - configuration: The values of the recipe's section.
    ///   - context: The backbone's architecture, and where parameters come from.
    /// - Throws: `ConfigurationError` naming a setting that cannot be.
    init(_ configuration: Configuration, _ context: ObjectiveContext) throws

    /// Metrics that are known before a batch is computed, such as the value of a schedule.
    ///
    /// - Parameter update: The update's number, from 1.
    func scheduledMetrics(update: Int) -> MetricSums

    /// Draws what the loss of a batch depends on.
    ///
    /// Draws are a function of the seed, the update and the number of each segment alone, so that an effective batch draws the
    /// same however it is split.
    ///
    /// - Parameter source: The streams of random numbers.
    /// - Returns: The draws, on the batch's device.
    /// - Throws: `ConfigurationError` for utterances that cannot be learned from.
    func draw(_ batch: UtteranceBatch, from source: DrawSource) throws -> Draws

    /// The loss of a batch and the values of the metrics.
    ///
    /// - Parameter encoding: What the backbone makes of the batch.
    /// - Returns: The loss, summed over the batch: the run divides it by the sum of ``Encoding/lossUnits``.
    func callAsFunction(_ encoding: Encoding, _ draws: Draws, _ pass: ForwardPass) throws -> LossTerms
}

extension Objective {
    /// Masked frames alone.
    public static var reads: EncodedFrames { .masked }

    /// None.
    public func scheduledMetrics(update: Int) -> MetricSums { MetricSums() }

    /// Keeps the layers as they are.
    public func replaceLayers(for conversion: Conversion) throws {}
}

extension Objective where Draws == NoDraws {
    /// Draws nothing.
    public func draw(_ batch: UtteranceBatch, from source: DrawSource) throws -> NoDraws { NoDraws() }
}

/// An objective that a run can be led by: it decides where the parameters lie in checkpoints, and may change the encoder's
/// input.
public protocol LeadingObjective: Objective {
    /// What the names of the backbone's parameters begin with.
    static var backboneKey: String { get }
    /// What the names of the objective's own parameters begin with.
    static var ownKey: String { get }
    /// What each segment adds to the loss's divisor: masked frames in pre-training, utterances in fine-tuning.
    static func lossUnits(_ batch: UtteranceBatch) -> [Int]
    /// Whether it reads the features of masked frames: a frozen extractor computes no others.
    static var readsMaskedFeatures: Bool { get }

    /// The features that become targets, before the encoder runs.
    ///
    /// - Returns: [frames, channels]; nil where no features become targets.
    func targets(_ features: Wav2Vec2Model.Features, _ pass: ForwardPass) throws -> Tensor?

    /// The encoder's input in place of projected features.
    ///
    /// - Parameters:
    ///   - projected: The projected features, [frames, channels].
    ///   - draws: What was drawn for the batch.
    /// - Returns: The input before masking, and how it was quantized, if it was.
    func encoderInput(_ projected: Tensor, _ draws: Draws) throws -> (input: Tensor, quantized: Quantized?)
}

extension LeadingObjective {
    /// Makes no targets of features.
    public func targets(_ features: Wav2Vec2Model.Features, _ pass: ForwardPass) throws -> Tensor? { nil }

    /// Leaves projected features as they are.
    public func encoderInput(_ projected: Tensor, _ draws: Draws) throws -> (input: Tensor, quantized: Quantized?) {
        (projected, nil)
    }
}

/// The section of recipes that configures an objective: keys, defaults, bounds and help in one declaration.
public protocol ObjectiveConfiguration: Sendable, Equatable {
    /// All keys with their help; the values of ``init()`` are the defaults.
    static var settings: [Setting<Self>] { get }

    /// The defaults.
    init()

    /// Checks values that depend on each other; each by itself is checked by its setting's bounds.
    ///
    /// - Throws: `ConfigurationError` naming the keys.
    func validate() throws
}

extension ObjectiveConfiguration {
    /// Finds nothing wrong.
    public func validate() throws {}
}

/// What an objective's parameters depend on besides its configuration.
public struct ObjectiveContext {
    /// The backbone's architecture.
    public let backbone: ModelConfiguration
    /// The size of the dictionary, the blank included; 0 without one.
    public let labels: Int
    /// Where parameters come from.
    public let initializer: Initializer

    /// Gathers a context.
    public init(_ backbone: ModelConfiguration, labels: Int = 0, initializer: Initializer) {
        (self.backbone, self.labels, self.initializer) = (backbone, labels, initializer)
    }
}

/// Frames of which context vectors are read.
public enum EncodedFrames: Sendable {
    /// The masked frames.
    case masked
    /// All frames.
    case all
}
