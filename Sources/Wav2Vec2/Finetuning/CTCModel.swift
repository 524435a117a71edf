import Kernels
import Torch

/// Fine-tuning options of a CTC model.
public struct CTCConfiguration: Sendable, Equatable {
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

/// wav2vec 2.0 with a linear layer to labels, trained by the CTC loss (Graves 2006).
///
/// The blank is label 0.
public final class CTCModel: Module {
    /// What the names of the pre-trained part's parameters begin with.
    public static let backboneKey = "w2v_encoder.w2v_model"
    /// What the names of the output layer's parameters begin with.
    public static let outputKey = "w2v_encoder.proj"

    /// The pre-trained part: feature extractor and encoder.
    @Child(CTCModel.backboneKey) public var model: Wav2Vec2Model
    @Child(CTCModel.outputKey) var projection: Linear
    /// The options.
    public let options: CTCConfiguration

    /// Makes a model.
    ///
    /// - Parameters:
    ///   - configuration: The architecture.
    ///   - labels: The size of the dictionary, the blank included.
    ///   - options: Blank weight and freezing.
    ///   - initializer: Where parameters come from.
    /// - Throws: ``ConfigurationError`` naming the setting that no model can have; `TorchError.operation` if LibTorch
    ///   refuses.
    public init(
        _ configuration: ModelConfiguration, labels: Int, options: CTCConfiguration = .init(), initializer: Initializer
    ) throws {
        self.options = options
        super.init()
        model = try Wav2Vec2Model(configuration, initializer: initializer)
        projection = try Linear(configuration.encoderEmbedDim, labels, start: .xavier, initializer: initializer)
    }

    /// The number of labels, the blank included.
    public var labelCount: Int { projection.weight.size(0) }

    /// Logits of each frame.
    ///
    /// - Parameters:
    ///   - samples: All utterances' samples end to end, [Σ lengths].
    ///   - lengths: The samples of each utterance.
    ///   - mask: What to mask (in training).
    ///   - channelsFirst: Whether channels are masked before frames.
    ///   - freezesEncoder: Whether no gradient reaches anything but the output layer.
    ///   - pass: Dropouts, LayerDrop and probe.
    /// - Returns: [frames, labels] and where utterances lie.
    /// - Throws: ``ConfigurationError`` naming an utterance that is shorter than one frame; `TorchError.operation` if
    ///   LibTorch refuses.
    public func callAsFunction(
        _ samples: Tensor, lengths: [Int], mask: Mask? = nil, channelsFirst: Bool = false, freezesEncoder: Bool = false,
        _ pass: ForwardPass = .inference
    ) throws -> (logits: Tensor, layout: RaggedLayout) {
        func encode() throws -> (context: Tensor, layout: RaggedLayout) {
            try model(samples, lengths: lengths, mask: mask, channelsFirst: channelsFirst, pass)
        }
        let (context, layout) = try freezesEncoder ? withoutGradient(encode) : encode()
        return try profiled(.ctc) {
            let logits = try projection(context.dropout(model.configuration.finalDropout, pass.mode))
            pass.probe?("logits", logits)
            return (try weightingBlank(logits), layout)
        }
    }

    private func weightingBlank(_ logits: Tensor) throws -> Tensor {
        guard options.blankWeight != 0 else { return logits }
        let blank = try Tensor.range(0..<labelCount, device: logits.device).equals(0)
        switch options.blankMode {
        case .set: return try logits.filled(where: blank, with: options.blankWeight)
        case .add: return try logits + blank.to(dtype: logits.dtype) * options.blankWeight
        }
    }

    /// The CTC loss of each utterance.
    ///
    /// The recursion runs in FP64: in FP32 its gradient loses accuracy with length.
    ///
    /// - Parameters:
    ///   - logits: [frames, labels].
    ///   - layout: Where utterances lie.
    ///   - targets: The labels of each utterance, without blanks.
    /// - Returns: [utterances], FP64.
    /// - Throws: `TorchError.operation` if LibTorch refuses, as for a label that the logits lack.
    public func losses(_ logits: Tensor, _ layout: RaggedLayout, targets: [[Int]]) throws -> Tensor {
        try profiled(.ctc) {
            try ctcLosses(logits, layout, targets: targets, zeroInfinity: options.zeroInfinity)
        }
    }
}

/// The CTC loss of each utterance, in FP64; see ``CTCModel/losses(_:_:targets:)``.
///
/// On a GPU all utterances are one call: their rows, a few labels wide, are laid out side by side for it.
func ctcLosses(
    _ logits: Tensor, _ layout: RaggedLayout, targets: [[Int]], zeroInfinity: Bool
) throws -> Tensor {
    guard logits.device == .cpu else {
        return try batchedCTCLosses(logits, layout, targets: targets, zeroInfinity: zeroInfinity)
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

/// The CTC losses [utterances], in FP64, by one call.
func batchedCTCLosses(
    _ logits: Tensor, _ layout: RaggedLayout, targets: [[Int]], zeroInfinity: Bool
) throws -> Tensor {
    let (longest, labels) = (layout.lengths.max() ?? 0, logits.size(-1))
    let places = try Tensor.constant("frames side by side", layout.lengths, on: logits.device) {
        layout.lengths.enumerated().flatMap { utterance, length in (0..<length).map { $0 * layout.count + utterance } }
    }
    let rows = try logits.to(dtype: .float64).logSoftmax(-1)
        .placingRows(at: places, in: longest * layout.count)
    return try rows.viewed(longest, layout.count, labels)
        .ctcLosses(
            frames: layout.lengths, targets: Tensor(targets.flatMap { $0 }).to(device: logits.device),
            targetCounts: targets.map(\.count), blank: 0, zeroInfinity: zeroInfinity)
}
