/// What a setting is about: which models have a use for it, and whether trained weights compute something else by it.
public struct SettingScope: Sendable, Hashable {
    /// What a setting is part of.
    public struct Part: Sendable, Hashable {
        private let name: String

        /// Names a part, such as an objective's own.
        public init(_ name: String) { self.name = name }

        /// Extractor and encoder, which every model has.
        public static let backbone = Part("backbone")
        /// The shortened layers of a model that has them.
        public static let hourglass = Part("hourglass")
        /// The input of a model that wants it normalized.
        public static let normalizedInput = Part("normalized input")
        /// The masks that every training draws.
        public static let masking = Part("masking")
        /// The contrastive objective with its quantizer.
        public static let contrastive = Part("contrastive")
        /// Recognition by CTC.
        public static let recognition = Part("recognition")
        /// No part of a model: data, schedules, the run.
        public static let run = Part("run")
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
    /// How input is normalized.
    public static let normalizedInput = SettingScope(.normalizedInput, decidesOutput: true)
    /// What is masked.
    public static let masking = SettingScope(.masking, decidesOutput: false)
    /// The quantizer's and the targets' architecture.
    public static let quantizer = SettingScope(.contrastive, decidesOutput: true)
    /// The contrastive objective.
    public static let objective = SettingScope(.contrastive, decidesOutput: false)
    /// What is done to a recognizer's logits.
    public static let logits = SettingScope(.recognition, decidesOutput: true)
    /// How recognition is learned.
    public static let recognition = SettingScope(.recognition, decidesOutput: false)
    /// The run.
    public static let run = SettingScope(.run, decidesOutput: false)
}
