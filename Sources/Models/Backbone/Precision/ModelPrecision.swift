import W2VKernels
import W2VTorch

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
    /// Whether the feature extractor's normalizations are FP32 throughout.
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
    /// - Returns: Whether it lies on an island that keeps its own weights.
    public func keepsExact(_ name: String) -> Bool {
        !mode.isHalf || fp32PosConv && name.contains("encoder.pos_conv.")
    }

    /// Sets what is a switch of the whole process: TF32 on a CUDA device.
    public func prepare(_ device: Device) {
        if device != .cpu { LibTorch.allowTF32(mode == .tf32) }
    }
}
