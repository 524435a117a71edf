/// What a setting is about: which models have a use for it, and whether trained weights compute something else by it.
public struct SettingScope: Sendable, Hashable {
    /// What a setting is part of.
    public enum Part: Sendable, Hashable {
        /// Extractor and encoder, which every model has.
        case backbone
        /// The shortened layers of a model that has them.
        case hourglass
        /// The input of a model that wants it normalised.
        case normalizedInput
        /// The masks that every training draws.
        case masking
        /// The contrastive objective with its quantizer.
        case pretraining
        /// Recognition by CTC.
        case recognition
        /// No part of a model: data, schedules, the run.
        case run
    }

    /// What the setting is part of.
    public let part: Part
    /// Whether the same weights compute something else with another value; false for what matters in training alone.
    public let decidesOutput: Bool

    /// Makes a scope.
    ///
    /// - Parameters:
    ///   - part: What the setting is part of.
    ///   - decidesOutput: Whether the same weights compute something else with another value.
    public init(_ part: Part, decidesOutput: Bool) {
        self.part = part
        self.decidesOutput = decidesOutput
    }

    /// The backbone's architecture.
    public static let architecture = SettingScope(.backbone, decidesOutput: true)
    /// The backbone in training: dropouts, frozen parts.
    public static let backboneTraining = SettingScope(.backbone, decidesOutput: false)
    /// How an Hourglass shortens.
    public static let hourglass = SettingScope(.hourglass, decidesOutput: true)
    /// How input is normalised.
    public static let normalizedInput = SettingScope(.normalizedInput, decidesOutput: true)
    /// What is masked.
    public static let masking = SettingScope(.masking, decidesOutput: false)
    /// The quantizer's and the targets' architecture.
    public static let quantizer = SettingScope(.pretraining, decidesOutput: true)
    /// The contrastive objective.
    public static let objective = SettingScope(.pretraining, decidesOutput: false)
    /// What is done to a recognizer's logits.
    public static let logits = SettingScope(.recognition, decidesOutput: true)
    /// How recognition is learned.
    public static let recognition = SettingScope(.recognition, decidesOutput: false)
    /// The run.
    public static let run = SettingScope(.run, decidesOutput: false)
}
