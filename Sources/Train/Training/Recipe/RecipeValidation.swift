import W2VBackbone
import W2VObjectives

extension Recipe {
    /// Checks that the values are valid, individually and together.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` that names the first invalid key.
    public func validate() throws {
        try model.validate()
        try precision.validate()
        for setting in settings { try setting.check(self) }
        for (name, spans) in [("mask", masking.time), ("mask_channel", masking.channel)]
        where spans.selection == .uniform && spans.other > 2 * Double(spans.length) {
            throw ConfigurationError(
                "masking.\(name)_other is \(spans.other.settingText); with \(name)_selection uniform it is the shortest span, "
                    + "at most twice masking.\(name)_length")
        }
        guard masking.time.count == .spans || !masking.time.noOverlap else {
            throw ConfigurationError(
                "masking.count fixed and masking.no_mask_overlap do not go together", "turn one of them off")
        }
        if let grid = batching.cropGrid, grid % batching.requiredSeqLenMultiple != 0 {
            throw ConfigurationError(
                "batching.crop_grid is \(grid); it must be a multiple of batching.required_seq_len_multiple, which is "
                    + "\(batching.requiredSeqLenMultiple)")
        }
        for (name, betas) in [("adam", optimization.adamBetas), ("lamb", optimization.lambBetas)] {
            guard betas.count == 2, betas.allSatisfy({ $0 >= 0 && $0 < 1 }) else {
                throw ConfigurationError("optimization.\(name)_betas needs two numbers of at least 0 and below 1")
            }
        }
        try objective.validate()
        try objectives.validate()
        guard !optimization.recordSteps || !model.checkpointActivations else {
            throw ConfigurationError(
                "optimization.record_steps and model.checkpoint_activations do not go together: turn one of them off")
        }
        try optimization.learningRate.validate(maxUpdate: optimization.maxUpdate)
    }
}
