import TestSupport
import Testing
import W2VKernels
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

extension ConvertibleModel {
    /// Converts the model like a run in FP32 on the CPU.
    func convertForTraining() throws { try convert(for: .training, on: .cpu, precision: ModelPrecision()) }
}

extension FeatureExtractor {
    /// Converts the extractor alone like a run in FP32 on the CPU.
    func convertForTraining() {
        replaceChildren(Conversion(for: .training, on: .cpu, precision: ModelPrecision()).extractorLayer)
    }
}

/// The layers that replace the paper's.
@Suite(.onTestThreads) struct ConversionTests {
    private func model(_ change: (inout ModelConfiguration) -> Void = { _ in }) throws -> CTCModel {
        let configuration = try ModelConfiguration.small(
            channels: 32, width: 48, inner: 64, heads: 2, layers: 1, change)
        return try CTCModel(configuration, labels: 8, initializer: .random(seed: 6))
    }

    private func types(_ model: Module) -> Set<String> { Set(model.descendants.map { "\(type(of: $0))" }) }

    /// The layers except those that never change.
    private func layers(
        _ purpose: Conversion.Purpose, _ precision: ModelPrecision,
        _ change: (inout ModelConfiguration) -> Void = { _ in }
    ) throws -> Set<String> {
        let model = try model(change)
        let (names, plain) = (model.parameters().map(\.name), types(model))
        #expect(plain.isDisjoint(with: ["FusedSelfAttention", "FusedFirstBlock", "PackedLinear"]))
        try model.convert(for: purpose, on: .cpu, precision: precision)
        #expect(model.parameters().map(\.name) == names)
        return types(model).subtracting([
            "CTCObjective", "EncoderLayer", "FeatureExtractor", "TransformerEncoder", "Wav2Vec2Model",
            "WeightNormConvolution",
        ])
    }

    /// The positional convolution is exact unless the recipe gives that up, and its products are for GPUs.
    @Test func positionsInHalfPrecision() throws {
        func isInBlocks(
            _ purpose: Conversion.Purpose, _ device: Device, _ mode: ModelPrecision.Mode, exact: Bool
        ) throws -> Bool {
            let model = try model()
            var precision = ModelPrecision(mode)
            precision.fp32PosConv = exact
            try model.convert(for: purpose, on: device, precision: precision)
            return types(model).contains("BlockPositionalConvolution")
        }
        #expect(try isInBlocks(.training, .cuda(0), .bf16, exact: false))
        #expect(try !isInBlocks(.training, .cuda(0), .bf16, exact: true))
        #expect(try !isInBlocks(.training, .cuda(0), .fp16, exact: false))
        #expect(try !isInBlocks(.training, .cuda(0), .fp32, exact: false))
        #expect(try !isInBlocks(.training, .cpu, .bf16, exact: false))
        #expect(try !isInBlocks(.inference, .cuda(0), .bf16, exact: false))
        #expect(ModelPrecision(.bf16).fp32PosConv)
    }

    /// Both convolutions of positions have the same results, up to rounding.
    @Test func positionsInBlocksEqualExactOnes() throws {
        let layer = try PositionalConvolution(
            .small(channels: 32, width: 48, inner: 64, heads: 2, layers: 1), initializer: .random(seed: 6))
        let layout = RaggedLayout([40, 7, 25])
        let input = try Tensor.normal([layout.total, 48], generator: Generator(seed: 3))
        let exact = try layer(input, layout)
        let blocks = BlockPositionalConvolution(sharing: layer)
        #expect(try relativeError(blocks(input, layout), exact) < 2e-6)
        for parameter in layer.parameters() { parameter.tensor = try parameter.tensor.to(dtype: .bfloat16) }
        let rounded = try blocks(input.to(dtype: .bfloat16), layout)
        #expect(rounded.dtype == .bfloat16)
        #expect(try relativeError(rounded, exact) < 2e-2)
    }

    @Test func trainingLearnsFromEveryLayer() throws {
        let shared: Set<String> = [
            "FusedFeedForward", "FusedSelfAttention", "PositionalConvolution", "Linear", "LayerNorm",
        ]
        #expect(
            try layers(.training, ModelPrecision(.fp32))
                == shared.union(["FusedFirstBlock", "PairedBlock", "RecomputingBlock", "RaggedGroupNorm"]))
        var precision = ModelPrecision(.fp16)
        precision.fp32TransformerLayernorm = true
        #expect(
            try layers(.training, precision)
                == shared.union([
                    "FusedFirstBlock", "PairedBlock", "RecomputingBlock", "FP32RaggedGroupNorm", "FP32LayerNorm",
                ]))
        #expect(
            try layers(.training, ModelPrecision(.fp32)) {
                ($0.activationFn, $0.extractorMode) = (.relu, .layerNorm)
            } == shared.subtracting(["FusedFeedForward"]).union(["FeedForward", "PairedBlock", "RecomputingBlock"]))
    }

    @Test func inferencePacksWeights() throws {
        let shared: Set<String> = [
            "FusedFeedForward", "FusedSelfAttention", "SpectralPositionalConvolution", "LayerNorm", "FusedFirstBlock",
            "PackedBlock", "PackedLinear", "RaggedGroupNorm",
        ]
        #expect(try layers(.inference, ModelPrecision(.fp32)) == shared.union(["PackedPairedBlock"]))
        #expect(try layers(.inference, ModelPrecision(.int8)) == shared)
        let eight = try layers(.inference, ModelPrecision(.fp8))
        #expect(eight.isSuperset(of: ["Float8Linear", "Linear", "PositionalConvolution", "RecomputingBlock"]))
        #expect(eight.isDisjoint(with: ["PackedLinear", "PackedBlock", "SpectralPositionalConvolution"]))
    }

    /// The paper's layers and their replacements give the same results, including gradients.
    @Test(arguments: [ModelConfiguration.ExtractorMode.groupNorm, .layerNorm], [false, true])
    func resultsAndGradientsAreThePapers(_ mode: ModelConfiguration.ExtractorMode, hourglass: Bool) throws {
        let lengths = [6_000, 400, 4_321]
        func run(_ isConverted: Bool) throws -> [Tensor] {
            let model = try model {
                ($0.extractorMode, $0.convBias) = (mode, mode == .layerNorm)
                $0.layerNormFirst = mode == .layerNorm && !hourglass
                $0.featureGradMult = 1
                if hourglass { $0.hourglass = try? HourglassLayout(pre: 1, middle: 1, factor: 2, post: 1) }
            }
            if isConverted { try model.convertForTraining() }
            try model.setRequiresGradient(true)
            let samples = try Tensor.normal([lengths.reduce(0, +)], generator: Generator(seed: 12))
            let (logits, layout) = try model(samples, lengths: lengths)
            let loss = try model.losses(logits, layout, targets: [[3, 1, 2], [4], [5, 5]]).sum()
            let named = model.parameters().filter { !$0.name.hasSuffix("qkv_proj.bias") && $0.name != "mask_emb" }
            return try [logits] + loss.gradients(of: named.map(\.tensor)).compactMap { $0 }
        }
        let (plain, fast) = (try run(false), try run(true))
        #expect(plain.count == fast.count)
        for (own, other) in zip(plain, fast) { #expect(try relativeError(other, own) < 2e-5) }
    }
}
