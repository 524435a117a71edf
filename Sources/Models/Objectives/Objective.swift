import W2VBackbone
import W2VTorch

/// A training objective: a configuration, parameters beside the backbone's, random draws, a loss and metrics.
///
/// An objective is one file and one line of registration (``ObjectiveRegistry``). It is trained alone, like
/// ``ContrastiveObjective`` in pre-training and ``CTCObjective`` in fine-tuning, or beside one of these two.
public protocol Objective: ConvertibleModel {
    /// The section of recipes that configures it.
    associatedtype Configuration: ObjectiveConfiguration
    /// The random draws for a batch.
    associatedtype Draws: BatchDraws = NoDraws

    /// The name in recipes and checkpoints, in snake case.
    static var name: String { get }
    /// The metrics that it reports; names must be unique within a run.
    static var metrics: [Metric] { get }
    /// The frames whose context vectors it reads: the encoder's last layer transforms no others.
    static var reads: EncodedFrames { get }

    /// Makes the objective's own parameters.
    ///
    /// - Parameters:
    ///   - configuration: The values of the recipe's section.
    ///   - context: The backbone's architecture, and where parameters come from.
    /// - Throws: `ConfigurationError` naming an invalid setting.
    init(_ configuration: Configuration, _ context: ObjectiveContext) throws

    /// Returns metrics that are known before a batch is computed, such as the value of a schedule.
    ///
    /// - Parameter update: The update's number, from 1.
    func scheduledMetrics(update: Int) -> MetricSums

    /// Draws the random numbers that the loss of a batch depends on.
    ///
    /// Draws depend only on the seed, the update and the number of each segment, so that an effective batch draws the
    /// same however it is split. `batch.upload` takes them to the model's device.
    ///
    /// With a GPU this runs on another thread than the passes: it must not read parameters, which change meanwhile.
    ///
    /// - Returns: The draws, on the batch's device.
    /// - Throws: `ConfigurationError` for utterances that cannot be used.
    func draw(_ batch: UtteranceBatch, from source: DrawSource) throws -> Draws

    /// Returns the loss of a batch and the values of the metrics.
    ///
    /// - Returns: The loss, summed over the batch: the run divides it by the sum of ``Encoding/lossUnits``.
    func callAsFunction(_ encoding: Encoding, _ draws: Draws, _ pass: ForwardPass) throws -> LossTerms
}

extension Objective {
    /// The default: masked frames only.
    public static var reads: EncodedFrames { .masked }

    /// Returns nothing.
    public func scheduledMetrics(update: Int) -> MetricSums { MetricSums() }

    /// Keeps the layers as they are.
    public func replaceLayers(for conversion: Conversion) throws {}
}

extension Objective where Draws == NoDraws {
    /// Draws nothing.
    public func draw(_ batch: UtteranceBatch, from source: DrawSource) throws -> NoDraws { NoDraws() }
}

/// An objective that can lead a run: it decides the parameters' names in checkpoints, and may change the encoder's
/// input.
public protocol LeadingObjective: Objective {
    /// The prefix of the backbone's parameter names.
    static var backboneKey: String { get }
    /// The prefix of the objective's own parameter names.
    static var ownKey: String { get }
    /// Returns each segment's contribution to the loss's divisor: masked frames in pre-training, utterances in
    /// fine-tuning.
    static func lossUnits(_ batch: UtteranceBatch) -> [Int]
    /// Whether it reads the features of masked frames; if not, a frozen extractor skips them.
    static var readsMaskedFeatures: Bool { get }

    /// Returns the features that become targets, before the encoder runs: [frames, channels]; nil if there are none.
    func targets(_ features: Wav2Vec2Model.Features, _ pass: ForwardPass) throws -> Tensor?

    /// Returns the encoder's input in place of projected features.
    ///
    /// - Parameter projected: The projected features, [frames, channels].
    /// - Returns: The input before masking, and its quantization, if there is one.
    func encoderInput(_ projected: Tensor, _ draws: Draws) throws -> (input: Tensor, quantized: Quantized?)
}

extension LeadingObjective {
    /// Returns nil: there are no targets.
    public func targets(_ features: Wav2Vec2Model.Features, _ pass: ForwardPass) throws -> Tensor? { nil }

    /// Returns the projected features unchanged.
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

    /// Checks values that depend on each other; each value by itself is checked against its setting's bounds.
    ///
    /// - Throws: `ConfigurationError` naming the keys.
    func validate() throws
}

extension ObjectiveConfiguration {
    /// Accepts all values.
    public func validate() throws {}
}

/// The context that an objective's parameters depend on besides its configuration.
public struct ObjectiveContext {
    /// The backbone's architecture.
    public let backbone: ModelConfiguration
    /// The size of the dictionary, the blank included; 0 without one.
    public let labels: Int
    /// The source of parameters.
    public let initializer: Initializer

    /// Makes a context.
    public init(_ backbone: ModelConfiguration, labels: Int = 0, initializer: Initializer) {
        (self.backbone, self.labels, self.initializer) = (backbone, labels, initializer)
    }
}

/// The frames whose context vectors are read.
public enum EncodedFrames: Sendable {
    /// The masked frames.
    case masked
    /// All frames.
    case all
}
