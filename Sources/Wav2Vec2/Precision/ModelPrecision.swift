import Kernels
import Torch

/// In which number formats a model computes.
///
/// Sums that lose too much in half precision are FP32 in every mode: the statistics of the ragged group norm, the Gumbel
/// softmax and the perplexities, all losses; CTC's recursion is FP64. The other islands are options, with NVIDIA's names.
public struct ModelPrecision: Sendable, Equatable {
    /// The format of weights and activations.
    public enum Mode: String, Sendable, Codable, CaseIterable {
        /// Single precision throughout.
        case fp32
        /// Single precision, whose products a CUDA device may round to TF32; FP32 on a CPU.
        case tf32
        /// Half precision of 5 exponent and 10 mantissa bits.
        case fp16
        /// Half precision of 8 exponent and 7 mantissa bits.
        case bf16
        /// Products of bytes with exact sums, everything else FP32: for using a model on a CPU.
        case int8
        /// BF16 whose large products are of 8-bit floating-point numbers (E4M3), row by row: for using a model on a GPU of
        /// the Ada or Hopper generation or newer. A CPU computes with the same numbers, slowly.
        case fp8

        /// The type of weights and activations.
        public var dtype: DType {
            switch self {
            case .fp32, .tf32, .int8: .float32
            case .fp16: .float16
            case .bf16, .fp8: .bfloat16
            }
        }

        /// Whether models can be trained in it, not only used.
        public var trains: Bool { self != .int8 && self != .fp8 }

        /// Whether weights and activations have 16 bits.
        public var isHalf: Bool { dtype.isHalfPrecision }

        /// Whether a device's products in the format are slower than those in single precision: it lacks instructions.
        public func isMakeshift(on device: Device) -> Bool {
            device == .cpu && isHalf && !(self == .bf16 && HostInstructions.multiplyBFloat16)
        }
    }

    /// The format of weights and activations.
    public var mode: Mode
    /// Whether the transformer layers' LayerNorms are FP32 throughout.
    public var fp32TransformerLayernorm = false
    /// Whether the attention's softmax is FP32.
    public var fp32MhaSoftmax = false
    /// Whether the cosine similarities of the contrastive objective are FP32.
    public var fp32CosineSim = false
    /// Whether the positional convolution is FP32, its weights included.
    public var fp32PosConv = false
    /// Whether the feature extractor's normalisations are FP32 throughout.
    public var fp32ConvNorms = false

    /// Makes a mode's precision with the islands that NVIDIA's recipes set for it.
    public init(_ mode: Mode = .fp32) {
        self.mode = mode
        fp32PosConv = mode.isHalf
        fp32CosineSim = mode == .fp16
        fp32ConvNorms = mode == .fp16
    }

    /// Whether a parameter stays FP32 in a model of half precision.
    ///
    /// - Parameter name: Its full name.
    /// - Returns: Whether it lies on an island that keeps its own weights.
    public func keepsExact(_ name: String) -> Bool {
        !mode.isHalf || fp32PosConv && name.contains("encoder.pos_conv.")
    }

    /// Sets what is a switch of the whole process: TF32 on a CUDA device.
    public func prepare(_ device: Device) {
        if device != .cpu { LibTorch.allowTF32(mode == .tf32) }
    }
}

/// A model whose number formats can be chosen.
public protocol PrecisionSelectable: Module {
    /// Chooses where the model computes in which format; its parameters are converted by the caller.
    func setPrecision(_ precision: ModelPrecision)

    /// Has the weights of an FP32 model in host memory packed for inference: they must not change from then on.
    ///
    /// - Parameter format: The numbers that the large products multiply.
    func pack(_ format: PackedWeight.Format)

    /// The layers whose products may be of 8-bit numbers: most of the encoder's operations.
    var products: [Linear] { get }
}

extension PrecisionSelectable {
    /// Converts a model for inference; afterwards it can be trained no more.
    ///
    /// - Parameters:
    ///   - precision: The formats.
    ///   - device: Where the model lies.
    /// - Throws: ``ConfigurationError`` for int8 elsewhere than on the CPU; `TorchError.runtime` for fp8 on a GPU that is too
    ///   old for it; `TorchError.operation` if LibTorch cannot make the tensors.
    public func convert(to precision: ModelPrecision, on device: Device) throws {
        guard precision.mode != .int8 || device == .cpu else {
            throw ConfigurationError("int8 is a precision of the CPU; on \(device) choose fp16 or bf16")
        }
        precision.prepare(device)
        setPrecision(precision)
        if !precision.mode.isHalf, device == .cpu { pack(precision.mode == .int8 ? .int8 : .float32) }
        guard precision.mode.isHalf else { return }
        if precision.mode == .fp8 {
            try Float8Weight.check(on: device)
            for layer in products { try layer.roundToFloat8() }
        }
        for parameter in parameters() where !precision.keepsExact(parameter.name) {
            parameter.tensor = try parameter.tensor.detached().to(dtype: precision.mode.dtype)
        }
    }
}

extension Wav2Vec2Model: PrecisionSelectable {
    /// Chooses where the model computes in which format; its parameters are converted by the caller.
    public func setPrecision(_ precision: ModelPrecision) {
        for block in featureExtractor.blocks {
            block.groupNorm?.computesInFP32 = precision.fp32ConvNorms
            block.layerNorm?.computesInFP32 = precision.fp32ConvNorms
        }
        for layer in encoder.allLayers {
            layer.attention.softmaxInFP32 = precision.fp32MhaSoftmax
            for norm in [layer.attentionNorm, layer.finalNorm] {
                norm.computesInFP32 = precision.fp32TransformerLayernorm
            }
        }
    }
}

extension Wav2Vec2Model {
    /// Packs the convolutions and the encoder for inference; the positional convolution stays FP32.
    public func pack(_ format: PackedWeight.Format) {
        for block in featureExtractor.blocks { block.pack(format) }
        encoder.positions.pack()
        for layer in products { layer.pack(format) }
    }

    /// The projection to the encoder and the encoder's layers.
    public var products: [Linear] {
        [projection, encoder.hourglass?.downsample.linear, encoder.hourglass?.upsample.linear].compactMap { $0 }
            + encoder.allLayers.flatMap(\.products)
    }
}

extension PretrainingModel: PrecisionSelectable {
    /// Chooses where the model computes in which format; its parameters are converted by the caller.
    public func setPrecision(_ precision: ModelPrecision) {
        model.setPrecision(precision)
        cosineInFP32 = precision.fp32CosineSim
    }

    /// Packs the model that predicts; what only the objective uses stays as it is.
    public func pack(_ format: PackedWeight.Format) { model.pack(format) }

    /// Those of the model that predicts.
    public var products: [Linear] { model.products }
}

extension CTCModel: PrecisionSelectable {
    /// Chooses where the model computes in which format; its parameters are converted by the caller.
    public func setPrecision(_ precision: ModelPrecision) { model.setPrecision(precision) }

    /// Packs the model; the few labels' weights stay FP32.
    public func pack(_ format: PackedWeight.Format) {
        model.pack(format)
        projection.pack(.float32)
    }

    /// Those of the model; the few labels' product is none of them.
    public var products: [Linear] { model.products }
}
