import W2VKernels
import W2VTorch

/// A one-time conversion of a model: its layers are replaced by the fastest ones for a purpose, a device and a
/// precision.
///
/// A model is built of the paper's layers. Each method here returns the layer that replaces another, and shares its
/// parameters.
public struct Conversion: Sendable {
    /// The purpose of the converted model.
    public enum Purpose: Sendable {
        /// Weights change, and gradients are recorded.
        case training
        /// Weights no longer change; most are packed, and only results are computed.
        case inference
    }

    /// The purpose.
    public let purpose: Purpose
    /// The model's device.
    public let device: Device
    /// The number formats, with the parts that stay FP32.
    public let precision: ModelPrecision

    /// Describes a conversion.
    public init(for purpose: Purpose, on device: Device, precision: ModelPrecision) {
        (self.purpose, self.device, self.precision) = (purpose, device, precision)
    }

    /// The number format of packed weights; `nil` where weights are not packed.
    private var format: PackedWeight.Format? {
        guard purpose == .inference, device == .cpu, !precision.mode.isHalf else { return nil }
        return precision.mode == .int8 ? .int8 : .float32
    }

    /// Returns the replacement of a large product; these are most of a model's operations.
    func product(_ layer: Linear) throws -> Linear {
        if let format { return PackedLinear(layer, format) }
        if precision.mode == .fp8, purpose == .inference, Float8Weight.supports(layer.weight) {
            return try Float8Linear(layer)
        }
        return Linear(sharing: layer)
    }

    /// Returns the replacement of a small product, which stays exact.
    public func exactProduct(_ layer: Linear) -> Linear {
        format == nil ? Linear(sharing: layer) : PackedLinear(layer, .float32)
    }

    /// Returns the replacement of a feature extractor's layer.
    func extractorLayer(_ module: Module) -> Module {
        switch module {
        case let norm as LayerNorm: layerNorm(norm, inFP32: precision.fp32ConvNorms)
        case let norm as RaggedGroupNorm:
            precision.fp32ConvNorms ? FP32RaggedGroupNorm(sharing: norm) : RaggedGroupNorm(sharing: norm)
        case let block as ExtractorBlock: self.block(block)
        default: module
        }
    }

    private func block(_ block: ExtractorBlock) -> ExtractorBlock {
        // A layer with one input channel has a kernel of its own.
        let isFirst = block.weight.size(1) == 1
        if isFirst, block.groupNorm != nil { return FusedFirstBlock(sharing: block) }
        let pairs = block.startsPairs && PairedConvolution.supports(block.weight, stride: block.stride)
        if let format, !isFirst {
            return pairs && format == .float32 ? PackedPairedBlock(sharing: block) : PackedBlock(block, format)
        }
        return pairs ? PairedBlock(sharing: block) : RecomputingBlock(sharing: block)
    }

    /// Returns the replacement of an encoder's layer.
    func encoderLayer(_ module: Module) throws -> Module {
        switch module {
        case let layer as Linear: return try product(layer)
        case let block as FeedForward where block.activation == .gelu: return FusedFeedForward(sharing: block)
        case let attention as SelfAttention:
            return FusedSelfAttention(attention, softmaxInFP32: precision.fp32MhaSoftmax)
        case let layer as EncoderLayer:
            layer.attentionNorm = layerNorm(layer.attentionNorm, inFP32: precision.fp32TransformerLayernorm)
            layer.finalNorm = layerNorm(layer.finalNorm, inFP32: precision.fp32TransformerLayernorm)
            return layer
        case let positions as PositionalConvolution:
            return positionalConvolution(positions)
        default: return module
        }
    }

    private func positionalConvolution(_ positions: PositionalConvolution) -> PositionalConvolution {
        if format != nil { return SpectralPositionalConvolution(sharing: positions) }
        // Exact unless the recipe gives that up: NVIDIA's recipes do not, and `fp32_pos_conv` follows them.
        if purpose == .training, device != .cpu, precision.mode == .bf16, !precision.fp32PosConv {
            return BlockPositionalConvolution(sharing: positions)
        }
        return PositionalConvolution(sharing: positions)
    }

    private func layerNorm(_ norm: LayerNorm, inFP32: Bool) -> LayerNorm {
        inFP32 ? FP32LayerNorm(sharing: norm) : LayerNorm(sharing: norm)
    }
}
