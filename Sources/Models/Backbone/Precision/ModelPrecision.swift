import W2VKernels
import W2VTorch

/// The number formats of a model.
///
/// Sums that lose too much in half precision are FP32 in every mode: the statistics of the ragged group norm, the
/// Gumbel softmax and the perplexities, all losses; CTC's recursion is FP64. The other FP32 overrides are options, with
/// NVIDIA's names.
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
        /// Products of bytes with exact sums, everything else FP32: for inference on a CPU.
        case int8
        /// BF16 with large products in 8-bit floating point (E4M3), scaled row by row: for inference on a GPU of the
        /// Ada or Hopper generation or newer. A CPU computes with the same numbers, slowly.
        case fp8

        /// The type of weights and activations.
        public var dtype: DType {
            switch self {
            case .fp32, .tf32, .int8: .float32
            case .fp16: .float16
            case .bf16, .fp8: .bfloat16
            }
        }

        /// Whether models can be trained in the format, not only used.
        public var trains: Bool { self != .int8 && self != .fp8 }

        /// Whether weights and activations have 16 bits.
        public var isHalf: Bool { dtype.isHalfPrecision }

        /// Returns whether products in this format are slower than in FP32 on a device, which lacks instructions for
        /// it.
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
    /// Whether the feature extractor's normalizations are FP32 throughout.
    public var fp32ConvNorms = false

    /// Makes a mode's precision with the FP32 overrides of NVIDIA's recipes.
    public init(_ mode: Mode = .fp32) {
        self.mode = mode
        fp32PosConv = mode.isHalf
        fp32CosineSim = mode == .fp16
        fp32ConvNorms = mode == .fp16
    }

    /// Returns whether a parameter stays FP32 in a half-precision model: whether it belongs to an FP32 override with
    /// weights of its own.
    public func keepsExact(_ name: String) -> Bool {
        !mode.isHalf || fp32PosConv && name.contains("encoder.pos_conv.")
    }

    /// Sets the process-wide switch of the format: TF32 on a CUDA device.
    public func prepare(_ device: Device) {
        if device != .cpu { LibTorch.allowTF32(mode == .tf32) }
    }
}
