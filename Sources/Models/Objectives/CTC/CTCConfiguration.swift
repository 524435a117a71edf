import W2VBackbone

/// The fine-tuning options of a CTC model.
public struct CTCConfiguration: ObjectiveConfiguration {
    /// The way in which `blankWeight` changes the blank's logit.
    public enum BlankMode: String, Sendable, Codable, CaseIterable {
        case add
        case set
    }

    /// A number added to, or replacing, the blank's logit; 0 changes nothing.
    public var blankWeight = 0.0
    /// The use of `blankWeight`.
    public var blankMode = BlankMode.add
    /// Whether the loss of utterances whose labels cannot fit their frames is zero instead of infinite.
    public var zeroInfinity = true
    /// The number of first updates in which only the output layer is trained.
    public var freezeFinetuneUpdates = 0

    /// Makes the defaults: no blank weight, zero infinity on.
    public init() {}
}

extension CTCConfiguration {
    /// The keys of a recipe's `ctc` section.
    public static let settings: [Setting<CTCConfiguration>] = [
        Setting("blank_weight", \.blankWeight, "value that is added to, or replaces, the blank's logit", of: .logits),
        Setting("blank_mode", \.blankMode, "whether blank_weight is added or set", of: .logits),
        Setting(
            "zero_infinity", \.zeroInfinity, "whether utterances with more labels than frames have zero loss",
            of: .recognition),
        Setting(
            "freeze_finetune_updates", \.freezeFinetuneUpdates,
            "number of first updates that train only the output layer",
            of: .recognition, in: .atLeast(0)),
    ]
}

extension CTCConfiguration.BlankMode: SettingChoice {}
