import W2VBackbone
import W2VTorch

extension ObjectiveModel where Main == ContrastiveObjective {
    /// Makes a model.
    ///
    /// - Parameters:
    ///   - objective: The choice of negatives and the weights of the losses.
    ///   - maskChannelBefore: Whether channels are masked before frames.
    ///   - others: Creates the objectives beside the contrastive one.
    /// - Throws: `ConfigurationError` naming an invalid setting.
    public convenience init(
        _ configuration: ModelConfiguration, objective: ContrastiveConfiguration = .init(),
        maskChannelBefore: Bool = false, others: (ObjectiveContext) throws -> [any Objective] = { _ in [] },
        initializer: Initializer
    ) throws {
        let context = ObjectiveContext(configuration, initializer: initializer)
        let backbone = try Wav2Vec2Model(configuration, initializer: initializer)
        self.init(
            backbone, try ContrastiveObjective(objective, context), others: try others(context),
            maskChannelBefore: maskChannelBefore)
    }

    /// The quantizer of the targets; absent when targets are continuous.
    public var quantizer: GumbelVectorQuantizer? { main.quantizer }

    /// Returns the losses of each segment of a batch, and their sum.
    public func losses(_ batch: PretrainingBatch, _ pass: ForwardPass) throws -> ContrastiveTerms {
        try main.losses(encode(batch, pass), batch.draws, pass)
    }
}
