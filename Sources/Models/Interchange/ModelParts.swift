import W2VBackbone

extension ModelDescription {
    /// The parts of the model, to which settings belong.
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
