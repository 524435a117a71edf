import W2VBackbone

/// Fine-tuning options of a CTC model.
public struct CTCConfiguration: ObjectiveConfiguration {
    /// How `blankWeight` changes the blank's logit.
    public enum BlankMode: String, Sendable, Codable, CaseIterable {
        case add
        case set
    }

    /// Added to, or put in place of, the blank's logit; 0 changes nothing.
    public var blankWeight = 0.0
    /// What is done with `blankWeight`.
    public var blankMode = BlankMode.add
    /// Whether utterances whose labels cannot fit their frames cost nothing instead of infinity.
    public var zeroInfinity = true
    /// Updates during which only the output layer learns.
    public var freezeFinetuneUpdates = 0

    /// No blank weight, zero infinity on.
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
