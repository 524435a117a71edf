import TestSupport
import Testing
import W2VBase
import W2VKernels
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

@Suite("Half precision and recomputed layers", .onTestThreads)
struct PrecisionTests {
    private static let lengths = [8_000, 5_000, 6_400]

    /// The losses and gradients of one step in a precision, gradients by parameter in FP32.
    private func step(
        _ configuration: ModelConfiguration, _ precision: ModelPrecision
    ) throws -> (losses: ContrastiveTerms, gradients: [String: Tensor], types: [String: DType]) {
        let model = try PretrainingModel(configuration, initializer: .random(seed: 2))
        let flat = try FlatParameters(model.parameters())
        try model.convert(for: .training, on: .cpu, precision: precision)
        if precision.mode.isHalf { try flat.lower(to: precision.mode.dtype, except: precision.keepsExact) }
        let samples = try Tensor.normal([Self.lengths.reduce(0, +)], generator: Generator(seed: 3))
        let layout = try model.backbone.featureExtractor.layout(samples: Self.lengths)
        var masking = MaskingConfiguration()
        (masking.time.probability, masking.time.length, masking.time.requireSameMasks) = (0.5, 3, false)
        let mask = try Mask.draw(masking, lengths: layout.lengths, channels: 16, seed: 1, update: 1, subBatch: 0)
        let negatives = Negatives.draw(
            model.main.configuration, masked: mask.frames.map { Array($0.indices) },
            candidates: mask.frames.map(\.count),
            entries: (6, 2), stream: RandomStream(seed: 1, purpose: .negatives, step: 1))
        // Noise strong enough that rounding changes no choice of a code, which would change the gradient altogether.
        let choices = mask.frames.reduce(0) { $0 + $1.count } * configuration.latentGroups
        let noise = try Tensor.normal(
            [choices, configuration.latentVars], deviation: 20, generator: Generator(seed: 5))
        let plan = SegmentPlan(
            utterances: 0..<layout.count, mask: mask, negatives: negatives, noise: .given(noise))
        let losses = try model.losses(
            PretrainingBatch(samples, lengths: Self.lengths, plans: [plan], temperature: 1.5, for: model),
            .training(seed: 1, update: 1))
        try losses.total.backward()
        try flat.collectGradients()
        return (
            losses, try flat.named(flat.gradients),
            Dictionary(uniqueKeysWithValues: model.parameters().map { ($0.name, $0.tensor.dtype) })
        )
    }

    @Test(arguments: [ModelPrecision.Mode.fp16, .bf16], [false, true])
    func halfPrecisionIsCloseToSingle(_ mode: ModelPrecision.Mode, isLarge: Bool) throws {
        let configuration = try ModelConfiguration.tiny {
            guard isLarge else { return }
            ($0.extractorMode, $0.layerNormFirst, $0.convBias) = (.layerNorm, true, true)
        }
        let exact = try step(configuration, ModelPrecision(.fp32))
        let rounded = try step(configuration, ModelPrecision(mode))
        #expect(rounded.losses.total.dtype == .float32, "losses are FP32")
        #expect(rounded.losses.logits?.dtype == .float32)
        for (name, type) in rounded.types {
            #expect(type == (name.contains("encoder.pos_conv.") ? .float32 : mode.dtype), "\(name)")
        }
        let band = mode == .fp16 ? 0.02 : 0.1
        #expect(try relativeError(rounded.losses.total, exact.losses.total) < band / 4)
        let scale = try exact.gradients.values.map { try $0.norm().item() }.max() ?? 0
        for (name, gradient) in exact.gradients {
            let found = try #require(rounded.gradients[name])
            let error = try (found - gradient).norm().item()
            #expect(error < band * scale, "\(name): \(error) of \(scale)")
        }
        #expect(try relativeError(rounded.losses.total, exact.losses.total) > 0, "nothing was rounded")
    }

    /// Each FP32 override changes the result.
    ///
    /// The kernels for BF16's attention and first layer always use FP32.
    @Test(arguments: [
        ("fp32_mha_softmax", ModelPrecision.Mode.fp16), ("fp32_cosine_sim", .bf16), ("fp32_pos_conv", .bf16),
        ("fp32_conv_norms", .fp16),
    ])
    func fp32OverridesTakeEffect(_ island: String, _ mode: ModelPrecision.Mode) throws {
        var bare = ModelPrecision(mode)
        (bare.fp32PosConv, bare.fp32CosineSim, bare.fp32ConvNorms) = (false, false, false)
        var with = bare
        switch island {
        case "fp32_mha_softmax": with.fp32MhaSoftmax = true
        case "fp32_cosine_sim": with.fp32CosineSim = true
        case "fp32_pos_conv": with.fp32PosConv = true
        default: with.fp32ConvNorms = true
        }
        let configuration = try ModelConfiguration.tiny()
        let (plain, better) = (try step(configuration, bare), try step(configuration, with))
        let changed = try plain.gradients.contains { name, gradient in
            try relativeError(gradient, try #require(better.gradients[name])) > 0
        }
        #expect(changed)
    }

    @Test(arguments: [ModelPrecision.Mode.fp16, .bf16])
    func convertedModelsRecognizeTheSame(_ mode: ModelPrecision.Mode) throws {
        func logits(_ precision: ModelPrecision) throws -> Tensor {
            let model = try CTCModel(ModelConfiguration.tiny(), labels: 5, initializer: .random(seed: 7))
            try model.convert(for: .inference, on: .cpu, precision: precision)
            return try withoutGradient {
                try model(Tensor.normal([8_000], generator: Generator(seed: 1)), lengths: [8_000]).logits
            }
        }
        let half = try logits(ModelPrecision(mode))
        #expect(half.dtype == mode.dtype)
        #expect(try relativeError(half, logits(ModelPrecision(.tf32))) < (mode == .fp16 ? 0.02 : 0.1))
    }

    @Test(arguments: [ModelPrecision.Mode.fp32, .bf16], [false, true])
    func recomputedLayersHaveBitEqualGradients(_ mode: ModelPrecision.Mode, hourglass: Bool) throws {
        func configuration(_ recomputes: Bool) throws -> ModelConfiguration {
            try ModelConfiguration.tiny {
                $0.checkpointActivations = recomputes
                ($0.activationDropout, $0.encoderLayerdrop) = (0.1, 0.2)
                if hourglass { $0.hourglass = try? HourglassLayout(pre: 1, middle: 2, factor: 3, post: 1) }
            }
        }
        let plain = try step(configuration(false), ModelPrecision(mode))
        let again = try step(configuration(true), ModelPrecision(mode))
        #expect(try plain.losses.total.item() == again.losses.total.item())
        for (name, gradient) in plain.gradients {
            #expect(try relativeError(try #require(again.gradients[name]), gradient) == 0, "\(name)")
        }
    }

    @Test func activationFunctions() throws {
        let input = try Tensor([-2, -0.5, 0, 0.5, 2] as [Double])
        let cubic = try input + input.power(3) * 0.044715
        let expected = try input * 0.5 * ((cubic * (2 / Double.pi).squareRoot()).tanh() + 1)
        #expect(try relativeError(input.geluApproximated(), expected) < 1e-12)
        #expect(try relativeError(input.geluApproximated(), input.gelu()) > 1e-5)
        var outputs: [[Float]] = []
        for activation in ModelConfiguration.Activation.allCases {
            let model = try Wav2Vec2Model(
                ModelConfiguration.tiny { $0.activationFn = activation }, initializer: .random(seed: 1))
            let signal = try Tensor.normal([4_000], generator: Generator(seed: 1))
            outputs.append(try model(signal, lengths: [4_000]).context.elements())
        }
        #expect(outputs.allSatisfy { $0.allSatisfy(\.isFinite) })
        // Two names of one function among them.
        #expect(Set(outputs).count == outputs.count - 1)
    }
}
