import Objectives
import Torch
import Wav2Vec2

extension ModelDescription.Task {
    /// What stands before the backbone's names in a checkpoint.
    var backbonePrefix: String { self == .ctc ? CTCModel.backboneKey + "." : "" }

    /// What the settings that the task's models have a use for are part of.
    fileprivate var parts: Set<SettingScope.Part> {
        switch self {
        case .pretraining: [.backbone, .masking, .pretraining]
        case .ctc: [.backbone, .masking, .recognition]
        case .encoder: [.backbone]
        }
    }
}

extension ModelDescription {
    /// What the settings that the model has a use for are part of.
    var parts: Set<SettingScope.Part> {
        var parts = task.parts
        if model.hourglass != nil { parts.insert(.hourglass) }
        if normalize { parts.insert(.normalizedInput) }
        return parts
    }
}

extension MaskingConfiguration {
    /// Whether anything is masked.
    var isOn: Bool { time.probability > 0 || channel.probability > 0 }
}

extension ContrastiveObjective {
    /// What the names of the objective's own parameters begin with, whatever parts a configuration has.
    ///
    /// - Returns: Beginnings with their dot.
    /// - Throws: `TorchError.operation` if LibTorch refuses.
    static func headPrefixes() throws -> [String] {
        try ContrastiveObjective(
            ContrastiveConfiguration(), ObjectiveContext(ModelConfiguration(), initializer: .shapes)
        ).declaredKeys.map { $0 + "." }
    }
}
