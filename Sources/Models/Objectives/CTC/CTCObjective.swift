import W2VBackbone
import W2VKernels
import W2VTorch

/// wav2vec 2.0 with a linear layer to labels, trained by the CTC loss (Graves 2006).
public typealias CTCModel = ObjectiveModel<CTCObjective>

/// The objective of fine-tuning: a linear layer to labels and the CTC loss (Graves 2006).
///
/// The blank is label 0.
public final class CTCObjective: Module, LeadingObjective {
    /// The section of recipes.
    public static let name = "ctc"
    /// Error rates, in validation.
    public static let metrics = CTCMetrics.all
    /// The prefix of the backbone's parameter names.
    public static let backboneKey = "w2v_encoder.w2v_model"
    /// The prefix of the objective's parameter names.
    public static let ownKey = "w2v_encoder"
    /// All frames: each has label scores.
    public static let reads = EncodedFrames.all
    /// False: masked frames are represented by their context only.
    public static let readsMaskedFeatures = false

    @Child("proj") var projection: Linear
    /// The options.
    public let configuration: CTCConfiguration
    private let dropout: Double

    /// Makes the output layer.
    ///
    /// - Parameter context: The architecture, the number of labels, and where parameters come from.
    public init(_ configuration: CTCConfiguration, _ context: ObjectiveContext) throws {
        self.configuration = configuration
        dropout = context.backbone.finalDropout
        super.init()
        projection = try Linear(
            context.backbone.encoderEmbedDim, context.labels, start: .xavier, initializer: context.initializer)
    }

    /// Returns the number of utterances of each segment.
    public static func lossUnits(_ batch: UtteranceBatch) -> [Int] { batch.segments.map(\.count) }

    /// Draws nothing; brings the labels to the model's device.
    public func draw(_ batch: UtteranceBatch, from source: DrawSource) throws -> CTCTargets { try CTCTargets(batch) }

    /// Returns the loss of a batch, summed over its utterances.
    public func callAsFunction(_ encoding: Encoding, _ draws: CTCTargets, _ pass: ForwardPass) throws -> LossTerms {
        let logits = try logits(encoding.context(), pass)
        return LossTerms(
            try profiled(.labels) {
                try ctcLosses(
                    logits, encoding.batch.layout, targets: encoding.batch.labels, onDevice: draws.labels,
                    zeroInfinity: configuration.zeroInfinity
                ).sum()
            })
    }

    /// Replaces no layer: the product with the few labels stays FP32.
    public func replaceLayers(for conversion: Conversion) throws {
        projection = conversion.exactProduct(projection)
    }

    /// The number of labels, the blank included.
    public var labelCount: Int { projection.weight.size(0) }

    /// Returns the logits of each frame.
    ///
    /// - Parameter context: The encoder's output, [frames, channels].
    /// - Returns: [frames, labels].
    public func logits(_ context: Tensor, _ pass: ForwardPass) throws -> Tensor {
        try profiled(.labels) {
            let logits = try projection(context.dropout(dropout, pass.mode))
            pass.probe?("logits", logits)
            return try weightingBlank(logits)
        }
    }

    private func weightingBlank(_ logits: Tensor) throws -> Tensor {
        guard configuration.blankWeight != 0 else { return logits }
        let blank = try Tensor.range(0..<labelCount, device: logits.device).equals(0)
        switch configuration.blankMode {
        case .set: return try logits.filled(where: blank, with: configuration.blankWeight)
        case .add: return try logits + blank.to(dtype: logits.dtype) * configuration.blankWeight
        }
    }

    /// Returns the CTC loss of each utterance: −log Σ Πₜ p(πₜ | t) over all paths π that collapse to its labels.
    ///
    /// The recursion runs in FP64: in FP32 its gradient loses accuracy with length.
    ///
    /// - Parameters:
    ///   - logits: [frames, labels].
    ///   - targets: The labels of each utterance, without blanks.
    /// - Returns: [utterances], FP64.
    public func losses(_ logits: Tensor, _ layout: RaggedLayout, targets: [[Int]]) throws -> Tensor {
        try profiled(.labels) {
            try ctcLosses(logits, layout, targets: targets, zeroInfinity: configuration.zeroInfinity)
        }
    }
}

/// The labels of a batch on the model's device.
public struct CTCTargets: BatchDraws {
    /// All utterances' labels end to end: int64 [Σ labels]; nil on the CPU, where each utterance is a call of its own.
    let labels: Tensor?
    private let counts: [Int]

    /// Copies labels to the model's device, with the constants that the loss reads there.
    init(_ batch: UtteranceBatch) throws {
        counts = batch.labels.map(\.count)
        guard batch.device != .cpu else {
            labels = nil
            return
        }
        labels = try batch.upload.add(batch.labels.flatMap { $0 })
        try batch.upload.add([framesSideBySide(batch.layout)])
    }

    /// The labels.
    public var tensors: [Tensor] { labels.map { [$0] } ?? [] }
    /// The number of labels of each utterance.
    public var shape: AnyHashable { AnyHashable(counts) }
}

extension ObjectiveModel where Main == CTCObjective {
    /// The prefix of the backbone's parameter names.
    public static var backboneKey: String { CTCObjective.backboneKey }
    /// The prefix of the output layer's parameter names.
    public static var outputKey: String { CTCObjective.ownKey + ".proj" }

    /// Makes a model.
    ///
    /// - Parameters:
    ///   - labels: The size of the dictionary, the blank included.
    ///   - maskChannelBefore: Whether channels are masked before frames.
    ///   - others: Creates the objectives beside the CTC loss.
    /// - Throws: `ConfigurationError` naming an invalid setting.
    public convenience init(
        _ configuration: ModelConfiguration, labels: Int, options: CTCConfiguration = .init(),
        maskChannelBefore: Bool = false, others: (ObjectiveContext) throws -> [any Objective] = { _ in [] },
        initializer: Initializer
    ) throws {
        let context = ObjectiveContext(configuration, labels: labels, initializer: initializer)
        let backbone = try Wav2Vec2Model(configuration, initializer: initializer)
        self.init(
            backbone, try CTCObjective(options, context), others: try others(context),
            maskChannelBefore: maskChannelBefore)
    }

    /// The number of labels, the blank included.
    public var labelCount: Int { main.labelCount }

    /// Returns the logits of each frame.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths].
    ///   - lengths: The samples of each utterance.
    ///   - channelsFirst: Whether channels are masked before frames.
    /// - Returns: [frames, labels] and the layout of the utterances' frames.
    /// - Throws: `ConfigurationError` naming an utterance that is shorter than one frame.
    public func callAsFunction(
        _ samples: Tensor, lengths: [Int], mask: Mask? = nil, channelsFirst: Bool = false,
        _ pass: ForwardPass = .inference
    ) throws -> (logits: Tensor, layout: RaggedLayout) {
        let (context, layout) = try backbone(
            samples, lengths: lengths, mask: mask, channelsFirst: channelsFirst, pass)
        return (try main.logits(context, pass), layout)
    }

    /// Returns the CTC loss of each utterance: see ``CTCObjective/losses(_:_:targets:)``.
    public func losses(_ logits: Tensor, _ layout: RaggedLayout, targets: [[Int]]) throws -> Tensor {
        try main.losses(logits, layout, targets: targets)
    }
}

/// Returns the CTC loss of each utterance, in FP64; see ``CTCObjective/losses(_:_:targets:)``.
///
/// On a GPU all utterances are one call: their rows, a few labels wide, are padded to [frames, utterances, labels] for
/// it.
///
/// - Parameter labels: The labels end to end on the logits' device, int64, if they are there already.
package func ctcLosses(
    _ logits: Tensor, _ layout: RaggedLayout, targets: [[Int]], onDevice labels: Tensor? = nil, zeroInfinity: Bool
) throws -> Tensor {
    guard logits.device == .cpu else {
        return try batchedCTCLosses(logits, layout, targets: targets, onDevice: labels, zeroInfinity: zeroInfinity)
    }
    return try .stack(
        logits.split(layout.lengths).enumerated().map { utterance, part in
            try part.to(dtype: .float64).logSoftmax(-1).unsqueezed(1)
                .ctcLoss(
                    targets: Tensor(targets[utterance], shape: [1, targets[utterance].count]), blank: 0,
                    zeroInfinity: zeroInfinity
                ).reshaped([])
        })
}

/// Returns the place of each frame in [frames, utterances, labels].
private func framesSideBySide(_ layout: RaggedLayout) -> ShapeConstant {
    ShapeConstant("frames side by side", layout.lengths) {
        layout.lengths.enumerated().flatMap { utterance, length in (0..<length).map { $0 * layout.count + utterance } }
    }
}

/// Returns the CTC losses [utterances], in FP64, by one call.
func batchedCTCLosses(
    _ logits: Tensor, _ layout: RaggedLayout, targets: [[Int]], onDevice placed: Tensor? = nil, zeroInfinity: Bool
) throws -> Tensor {
    let (longest, labels) = (layout.lengths.max() ?? 0, logits.size(-1))
    let rows = try logits.to(dtype: .float64).logSoftmax(-1)
        .placingRows(at: framesSideBySide(layout)(on: logits.device), in: longest * layout.count)
    return try rows.viewed(longest, layout.count, labels)
        .ctcLosses(
            frames: layout.lengths, targets: placed ?? Tensor(targets.flatMap { $0 }).to(device: logits.device),
            targetCounts: targets.map(\.count), blank: 0, zeroInfinity: zeroInfinity)
}
