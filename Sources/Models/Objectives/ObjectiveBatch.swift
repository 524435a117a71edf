import W2VBackbone
import W2VTorch

/// A batch on the model's device, with everything that was drawn for it.
public struct ObjectiveBatch<Main: LeadingObjective> {
    /// The numbers that determine the shapes of everything that a model computes.
    public struct Shape: Hashable {
        private let lengths: [Int]
        private let segments: [Range<Int>]
        private let masked: [Int]
        private let tensors: [[Int]]
        private let draws: [AnyHashable]

        fileprivate init(_ batch: ObjectiveBatch) {
            lengths = batch.utterances.lengths
            segments = batch.utterances.segments
            masked = batch.utterances.maskedFrames
            tensors = batch.tensors.map(\.shape)
            draws = [batch.draws.shape] + batch.others.map(\.shape)
        }
    }

    /// The utterances and their mask.
    public let utterances: UtteranceBatch
    /// All utterances' samples end to end, [Σ lengths].
    let samples: Tensor
    let mask: PlacedMask
    /// The draws of the leading objective.
    let draws: Main.Draws
    /// The other objectives with their draws.
    let others: [any DrawnObjective]

    /// Makes a batch for a model, with draws that were made before.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths], on the model's device.
    ///   - draws: The draws of the leading objective.
    ///   - others: The other objectives with their draws.
    init(
        _ samples: Tensor, _ utterances: UtteranceBatch, draws: Main.Draws, others: [any DrawnObjective] = [],
        for backbone: Wav2Vec2Model
    ) throws {
        (self.samples, self.utterances, self.draws, self.others) = (samples, utterances, draws, others)
        mask = try PlacedMask(
            Mask.joined(utterances.masks), utterances.layout, channels: backbone.configuration.encoderEmbedDim,
            through: utterances.upload)
        try utterances.upload.add(backbone.shapeConstants(samples: utterances.lengths, utterances.layout))
    }

    /// Makes a batch for a model, and draws for its objectives.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths], on the model's device.
    ///   - source: The streams of random numbers.
    /// - Throws: `ConfigurationError` for utterances that an objective cannot use.
    public init(
        _ samples: Tensor, _ utterances: UtteranceBatch, from source: DrawSource, for model: ObjectiveModel<Main>
    ) throws {
        try self.init(
            samples, utterances, draws: model.main.draw(utterances, from: source),
            others: model.others.map { try $0.drawn(utterances, from: source) }, for: model.backbone)
    }

    /// The numbers that determine the shapes of everything that a model computes.
    public var shape: Shape { Shape(self) }

    /// All tensors that ``shape`` does not decide, always in the same order.
    public var tensors: [Tensor] {
        [samples, utterances.maskedRows] + [mask.frames, mask.channels].compactMap { $0 } + draws.tensors
            + others.flatMap(\.tensors)
    }
}

/// An objective with its draws for a batch.
protocol DrawnObjective {
    var tensors: [Tensor] { get }
    var shape: AnyHashable { get }
    func terms(_ encoding: Encoding, _ pass: ForwardPass) throws -> LossTerms
}

extension Objective {
    /// Returns the objective with its draws for a batch.
    fileprivate func drawn(_ batch: UtteranceBatch, from source: DrawSource) throws -> any DrawnObjective {
        Drawn(objective: self, draws: try draw(batch, from: source))
    }
}

private struct Drawn<Drawing: Objective>: DrawnObjective {
    let objective: Drawing
    let draws: Drawing.Draws

    var tensors: [Tensor] { draws.tensors }
    var shape: AnyHashable { draws.shape }

    func terms(_ encoding: Encoding, _ pass: ForwardPass) throws -> LossTerms {
        let terms = try objective(encoding, draws, pass)
        try terms.check(Drawing.self)
        return terms
    }
}
