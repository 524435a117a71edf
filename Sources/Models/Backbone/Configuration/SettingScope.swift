/// The scope of a setting: the models that it applies to, and whether it changes the output of trained weights.
public struct SettingScope: Sendable, Hashable {
    /// A part of a model or run that settings belong to.
    public struct Part: Sendable, Hashable {
        private let name: String

        /// Names a part, such as an objective's own.
        public init(_ name: String) { self.name = name }

        /// Extractor and encoder, which every model has.
        public static let backbone = Part("backbone")
        /// The shortened layers of a model that has them.
        public static let hourglass = Part("hourglass")
        /// The input normalization, for models that need it.
        public static let normalizedInput = Part("normalized input")
        /// The masks that every training draws.
        public static let masking = Part("masking")
        /// The contrastive objective with its quantizer.
        public static let contrastive = Part("contrastive")
        /// Recognition by CTC.
        public static let recognition = Part("recognition")
        /// Not part of a model: data, schedules, the run.
        public static let run = Part("run")
    }

    /// The part that the setting belongs to.
    public let part: Part
    /// Whether another value changes the output of the same weights; false if it matters in training only.
    public let decidesOutput: Bool

    /// Makes a scope.
    ///
    /// - Parameter decidesOutput: Whether another value changes the output of the same weights.
    public init(_ part: Part, decidesOutput: Bool) {
        self.part = part
        self.decidesOutput = decidesOutput
    }

    /// The backbone's architecture.
    public static let architecture = SettingScope(.backbone, decidesOutput: true)
    /// The backbone in training: dropouts, frozen parts.
    public static let backboneTraining = SettingScope(.backbone, decidesOutput: false)
    /// The shortening of an Hourglass.
    public static let hourglass = SettingScope(.hourglass, decidesOutput: true)
    /// The normalization of the input.
    public static let normalizedInput = SettingScope(.normalizedInput, decidesOutput: true)
    /// The masks.
    public static let masking = SettingScope(.masking, decidesOutput: false)
    /// The quantizer's and the targets' architecture.
    public static let quantizer = SettingScope(.contrastive, decidesOutput: true)
    /// The contrastive objective.
    public static let objective = SettingScope(.contrastive, decidesOutput: false)
    /// Changes to a recognizer's logits.
    public static let logits = SettingScope(.recognition, decidesOutput: true)
    /// The training of recognition.
    public static let recognition = SettingScope(.recognition, decidesOutput: false)
    /// The run.
    public static let run = SettingScope(.run, decidesOutput: false)
}
