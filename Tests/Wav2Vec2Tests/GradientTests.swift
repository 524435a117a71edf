import TestSupport
import Testing
import W2VBase
import W2VKernels
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

/// Differentiable functions of our own against finite differences in FP64.
@Suite("Gradients of the model's own functions", .onTestThreads)
struct GradientTests {
    private func normal(_ shape: Int..., seed: Int64) throws -> Tensor {
        try Tensor.normal(shape, dtype: .float64, generator: Generator(seed: seed))
    }

    @Test(arguments: [(10, 5, 1, false), (3, 2, 3, true), (2, 2, 3, false), (7, 2, 2, true), (2, 3, 2, true)])
    func stridedConvolutions(_ kernel: Int, _ stride: Int, _ channels: Int, ofGELU gelu: Bool) throws {
        let inputs = [
            try normal(8 * stride, channels, seed: 1), try normal(4, channels, kernel, seed: 2), try normal(4, seed: 3),
        ]
        let errors = try gradientErrors(inputs) {
            try stridedConvolution($0[0], $0[1], $0[2], stride: stride, geluOfInput: gelu)
        }
        #expect(errors.allSatisfy { $0 < 1e-7 }, "\(errors)")
    }

    /// The product form equals LibTorch's convolution on every window that lies inside the signal.
    @Test(arguments: [(10, 5, 1), (3, 2, 3), (2, 2, 3), (7, 2, 2), (2, 3, 2)])
    func stridedConvolutionsEqualTheUsualForm(_ kernel: Int, _ stride: Int, _ channels: Int) throws {
        let (input, weight) = try (normal(8 * stride, channels, seed: 1), normal(4, channels, kernel, seed: 2))
        let ours = try stridedConvolution(input, weight, nil, stride: stride)
        let usual = try input.transposed().unsqueezed(0).convolved(weight, stride: stride).squeezed(0).transposed()
        #expect(try relativeError(ours.rows(0..<usual.size(0)), usual) < 1e-12)
    }

    @Test func raggedGroupNorm() throws {
        let layout = RaggedLayout([6, 4])
        let norm = try RaggedGroupNorm(3, initializer: .random(seed: 1))
        let inputs = [try normal(10, 3, seed: 1), try normal(3, seed: 2), try normal(3, seed: 3)]
        let kept = try Tensor([0, 1, 2, 3, 4, 6, 7, 8])
        let errors = try gradientErrors(inputs) { points in
            (norm.weight, norm.bias) = (points[1], points[2])
            // Straddling rows are meaningless, and must not contribute to gradients.
            return try norm(points[0], layout, valid: [5, 3]).takingRows(kept)
        }
        #expect(errors.allSatisfy { $0 < 1e-7 }, "\(errors)")
    }

    /// The fused first layer equals convolution, group norm and GELU in steps, in FP64.
    @Test(arguments: [24, 70, 130])
    func normalizedSignalConvolutions(_ channels: Int) throws {
        let layout = RaggedLayout([640, 320, 64])
        let valid = [639, 301, 62]
        let norm = try RaggedGroupNorm(channels, initializer: .random(seed: 1))
        let signal = try normal(1024 * 5, 1, seed: 1) + 0.3
        let points = [
            try normal(channels, 1, 10, seed: 2), try normal(channels, seed: 3), try normal(channels, seed: 4),
        ]
        let rows = try Tensor(zip(layout.offsets, valid).flatMap { Array($0..<$0 + $1) })
        let weights = try normal(rows.count, channels, seed: 5)
        func run(_ dtype: DType) throws -> [Tensor] {
            let leaves = try points.map { try $0.to(dtype: dtype).detached().requiringGradient() }
            let input = try signal.to(dtype: dtype)
            let output: Tensor
            if dtype == .float32 {
                output = try normalizedSignalConvolution(
                    input, leaves[0], gain: leaves[1], bias: leaves[2], stride: 5, layout, valid: valid,
                    epsilon: norm.epsilon
                ).output
            } else {
                (norm.weight, norm.bias) = (leaves[1], leaves[2])
                output = try norm(stridedConvolution(input, leaves[0], nil, stride: 5), layout, valid: valid).gelu()
            }
            let frames = try output.takingRows(rows)
            return try [frames]
                + (frames * weights.to(dtype: dtype)).sum().gradients(of: leaves).map { try #require($0) }
        }
        for (found, expected) in zip(try run(.float32), try run(.float64)) {
            #expect(try relativeError(found, expected) < 2e-6)
        }
    }

    @Test func rowsTakenAndPlaced() throws {
        let rows = try Tensor([4, 0, 3])
        let errors =
            try gradientErrors([normal(5, 2, seed: 1)]) { try $0[0].takingRows(rows) }
            + gradientErrors([normal(3, 2, seed: 1)]) { try $0[0].placingRows(at: rows, in: 6) }
        #expect(errors.allSatisfy { $0 < 1e-8 }, "\(errors)")
    }

    @Test(arguments: [0.0, 0.3])
    func attention(_ dropout: Double) throws {
        var configuration = ModelConfiguration()
        (configuration.encoderEmbedDim, configuration.encoderAttentionHeads) = (4, 2)
        configuration.attentionDropout = dropout
        let module = try SelfAttention(configuration, initializer: .random(seed: 1))
        let layout = RaggedLayout([3, 5, 2])
        let parameters = module.parameters()
        let inputs = try [normal(10, 4, seed: 1)] + parameters.map { try $0.tensor.to(dtype: .float64) * 20 }
        let errors = try gradientErrors(inputs) { points in
            for (parameter, point) in zip(parameters, points.dropFirst()) { parameter.tensor = point }
            // The same source for every evaluation, as for the passes of one update.
            let mode = Module.Mode.training(DropoutSource(RandomStream(seed: 5, purpose: .dropout)))
            return try module(points[0], layout, mode)
        }
        #expect(errors.allSatisfy { $0 < 1e-7 }, "\(errors)")
    }

    @Test func trainingAndInferenceAttentionAgree() throws {
        var configuration = ModelConfiguration()
        (configuration.encoderEmbedDim, configuration.encoderAttentionHeads) = (16, 4)
        let module = try SelfAttention(configuration, initializer: .random(seed: 1))
        let layout = RaggedLayout([30, 30, 7, 1, 12])
        let input = try Tensor.normal([80, 16], deviation: 10, generator: Generator(seed: 3))
        let inference = try withoutGradient { try module(input, layout, .inference) }
        try module.setRequiresGradient(true)
        #expect(try relativeError(module(input, layout, .inference), inference) < 1e-6)
    }

    @Test func gradientScaling() throws {
        let input = try normal(3, seed: 1).requiringGradient()
        let output = try (input.scalingGradient(by: 0.25) * 2).sum()
        #expect(try #require(output.gradients(of: [input])[0]).elements(Double.self) == [0.5, 0.5, 0.5])
    }

    @Test(arguments: [false, true])
    func contrastiveLosses(_ infonce: Bool) throws {
        let negatives = Negatives(sameUtterance: [[1, 2, 2, 0, 0, 1], [1, 1, 0, 0]], anywhere: [3, 4, 0, 1, 2])
        let identities = try Tensor([0, 1, 0, 5, 6, 7])
        let errors = try gradientErrors([normal(5, 3, seed: 1), normal(6, 3, seed: 2)]) { points in
            let logits = try contrastiveLogits(
                predictions: points[0], candidates: points[1], identities: identities,
                choices: ContrastiveChoices(
                    masked: [[0, 1, 2], [0, 1]], candidateCounts: [3, 3], negatives: negatives,
                    through: Upload(to: .cpu)),
                codeVectors: nil, temperature: 0.5)
            return try infonce
                ? contrastiveLossInDoublePrecision(logits) : contrastiveLoss(logits, infonce: false).losses.sum()
        }
        #expect(errors.allSatisfy { $0 < 1e-7 }, "\(errors)")
    }

    /// The loss itself rounds to FP32, which finite differences cannot see through.
    private func contrastiveLossInDoublePrecision(_ logits: Tensor) throws -> Tensor {
        try -logits.logSoftmax(1).selected(1, 0).sum()
    }

    /// In the forward pass the straight-through choice is one-hot; its gradient is the soft choice's.
    @Test func quantizerGradientsAreTheSoftChoices() throws {
        var configuration = ModelConfiguration()
        (configuration.latentVars, configuration.latentGroups) = (3, 2)
        let quantizer = try GumbelVectorQuantizer(
            inputs: 4, outputs: 4, configuration, initializer: .random(seed: 4))
        let input = try Tensor.normal([5, 4], generator: Generator(seed: 6)).requiringGradient()
        let noise = try Tensor.normal([10, 3], generator: Generator(seed: 7))
        let found = try quantizer(input, temperature: .scalar(1.5), noise: noise.viewed(5, 2, 3))
        let weights = try Tensor.normal([5, 4], generator: Generator(seed: 8))
        let gradient = try #require((found.vectors * weights).sum().gradients(of: [input])[0])
        let state = quantizer.state()
        let logits = try input.linear(#require(state["weight_proj.weight"]), bias: state["weight_proj.bias"])
            .viewed(5, 2, 3)
        let soft = try ((logits + noise.viewed(5, 2, 3)) / 1.5).softmax(-1)
        let books = try #require(state["vars"]).viewed(2, 3, 2)
        let mixed = try Tensor.concatenate(
            (0..<2).map { try soft.selected(1, $0).matmul(books.selected(0, $0)) }, -1)
        let expected = try #require((mixed * weights).sum().gradients(of: [input])[0])
        #expect(try relativeError(gradient, expected) < 1e-5)
        #expect(try relativeError(found.vectors, quantizer.vectors(found.codes)) < 1e-6)
    }
}
