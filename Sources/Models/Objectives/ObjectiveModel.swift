import W2VBackbone
import W2VKernels
import W2VTorch

/// The prefix of the parameter names of objectives beside the leading one.
package let addedObjectivesKey = "objectives"

/// A backbone with its training objectives: a leading one, and any number beside it.
public final class ObjectiveModel<Main: LeadingObjective>: Module {
    private let backboneChild: Child<Wav2Vec2Model>
    private let mainChild: Child<Main>
    @Child(addedObjectivesKey) private var named: NamedObjectives
    /// Whether channels are masked before frames.
    public let maskChannelBefore: Bool

    /// The part shared by all tasks: feature extractor and encoder.
    public var backbone: Wav2Vec2Model { backboneChild.wrappedValue }
    /// The leading objective.
    public var main: Main { mainChild.wrappedValue }
    /// The objectives beside it.
    public var others: [any Objective] { named.objectives }

    /// Joins a backbone and objectives.
    ///
    /// - Parameters:
    ///   - others: Objectives beside it, whose parameters are named `objectives.NAME.…` in checkpoints.
    ///   - maskChannelBefore: Whether channels are masked before frames.
    public init(
        _ backbone: Wav2Vec2Model, _ main: Main, others: [any Objective] = [], maskChannelBefore: Bool = false
    ) {
        self.maskChannelBefore = maskChannelBefore
        backboneChild = Child(Main.backboneKey)
        mainChild = Child(Main.ownKey)
        super.init()
        backboneChild.wrappedValue = backbone
        mainChild.wrappedValue = main
        named = NamedObjectives(objectives: others)
    }

    /// Copies tensors into the parameters; objectives beside the leading one keep initial values that `added` lacks.
    ///
    /// - Parameters:
    ///   - state: The tensors of backbone and leading objective.
    ///   - added: The tensors of objectives beside it; those of unknown objectives are ignored.
    /// - Throws: `TorchError.state` naming what is missing, unexpected or of another shape.
    package func load(_ state: [String: Tensor], added: [String: Tensor]) throws {
        let own = self.state().filter { $0.key.hasPrefix(addedObjectivesKey + ".") }
        try load(
            state.merging(try own.mapValues { try $0.detached() }) { first, _ in first }
                .merging(added.filter { own[$0.key] != nil }) { $1 })
    }

    /// The metrics that the objectives report, in their order.
    public var metrics: [Metric] { type(of: main).metrics + others.flatMap { type(of: $0).metrics } }

    /// Returns the objectives' metrics that are known before a batch is computed.
    ///
    /// - Parameter update: The update's number, from 1.
    public func scheduledMetrics(update: Int) -> MetricSums {
        others.reduce(into: main.scheduledMetrics(update: update)) { $0 += $1.scheduledMetrics(update: update) }
    }

    private var backbonePrefix: String { Main.backboneKey.isEmpty ? "" : Main.backboneKey + "." }

    /// The names of the backbone's parameters in the whole model.
    public var backboneNames: Set<String> { Set(backbone.parameters().map { backbonePrefix + $0.name }) }

    /// The names of the feature extractor's parameters in the whole model.
    public var extractorNames: Set<String> { Set(backbone.extractorNames.map { backbonePrefix + $0 }) }

    /// Returns the names, in the whole model, of the parameters of layers that LayerDrop skips.
    ///
    /// A pass leaves them without gradients.
    public func droppedParameters(_ pass: ForwardPass) -> Set<String> {
        Set(backbone.droppedParameters(pass).map { backbonePrefix + $0 })
    }

    /// Runs the backbone on a batch.
    public func encode(_ batch: ObjectiveBatch<Main>, _ pass: ForwardPass) throws -> Encoding {
        let readsAll = Main.reads == .all || others.contains { type(of: $0).reads == .all }
        let utterances = batch.utterances
        // Another objective may read any frame's features.
        let readsFeatures = Main.readsMaskedFeatures || !others.isEmpty
        let features = try backbone.features(
            batch.samples, lengths: utterances.lengths,
            maskedFrames: readsFeatures ? nil : Mask.joined(utterances.masks).frames, pass)
        // Dropouts draw in this order.
        let targets = try main.targets(features, pass)
        var quantized: Quantized?
        let encoded = try backbone.context(
            of: features, mask: batch.mask, channelsFirst: maskChannelBefore,
            readRows: readsAll ? nil : utterances.maskedRows, pass
        ) { projected in
            let (input, found) = try main.encoderInput(projected, batch.draws)
            quantized = found
            return input
        }
        return Encoding(
            utterances, features, targets: targets, encoded: encoded, frames: readsAll ? .all : .masked,
            quantizedInput: quantized, lossUnits: Main.lossUnits(utterances))
    }

    /// Returns the losses of all objectives: their sum, and all metrics.
    public func terms(_ encoding: Encoding, _ batch: ObjectiveBatch<Main>, _ pass: ForwardPass) throws -> LossTerms {
        var terms = try main(encoding, batch.draws, pass)
        try terms.check(Main.self)
        for other in batch.others { try terms.add(other.terms(encoding, pass)) }
        return terms
    }

    /// Returns the losses of a batch.
    ///
    /// All segments go through extractor, encoder and objectives together, as one ragged batch.
    ///
    /// - Parameter freezesBackbone: Whether no gradient reaches the backbone.
    /// - Returns: The sum of the objectives' losses, and all metrics.
    public func callAsFunction(
        _ batch: ObjectiveBatch<Main>, _ pass: ForwardPass, freezesBackbone: Bool = false
    ) throws -> LossTerms {
        let encoding = try freezesBackbone ? withoutGradient { try encode(batch, pass) } : encode(batch, pass)
        return try terms(encoding, batch, pass)
    }

    /// Adds a batch's gradients to those of the parameters.
    ///
    /// - Parameters:
    ///   - lossScale: The factor on the loss, an FP32 scalar.
    ///   - freezesBackbone: Whether no gradient reaches the backbone.
    /// - Returns: The terms, whose values can be read once the device has finished.
    public func addGradients(
        _ batch: ObjectiveBatch<Main>, _ pass: ForwardPass, scaledBy lossScale: Tensor, freezesBackbone: Bool = false
    ) throws -> LossTerms {
        let terms = try self(batch, pass, freezesBackbone: freezesBackbone)
        try terms.loss.backward(gradient: lossScale)
        return terms
    }
}

extension ObjectiveModel: ConvertibleModel {
    /// Replaces the layers of the backbone, and those of objectives that have faster ones.
    public func replaceLayers(for conversion: Conversion) throws {
        try backbone.replaceLayers(for: conversion)
        try main.replaceLayers(for: conversion)
        for other in others { try other.replaceLayers(for: conversion) }
    }
}

/// Objectives as parts of a module, each below its own name.
struct NamedObjectives: ModuleContent {
    let objectives: [any Objective]

    func forEachModule(key: String, _ body: (String, Module) -> Void) {
        for objective in objectives { body("\(key).\(type(of: objective).name)", objective) }
    }

    func replacingModules(_ replacement: (Module) throws -> Module) rethrows -> any ModuleContent { self }
}
