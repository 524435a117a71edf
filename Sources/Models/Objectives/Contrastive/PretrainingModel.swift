import W2VBackbone
import W2VTorch

extension ObjectiveModel where Main == ContrastiveObjective {
    /// Makes a model.
    ///
    /// - Parameters:
    ///   - objective: How negatives are chosen and losses weighted.
    ///   - maskChannelBefore: Whether channels are masked before frames.
    ///   - others: Makes the objectives beside the contrastive one.
    ///   - initializer: Where parameters come from.
    /// - Throws: `ConfigurationError` naming the setting that no model can have.
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

    /// The losses of each segment of a batch.
    ///
    /// - Returns: The losses of each segment, and their sum.
    public func losses(_ batch: PretrainingBatch, _ pass: ForwardPass) throws -> ContrastiveTerms {
        try main.losses(encode(batch, pass), batch.draws, pass)
    }
}
