import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

/// Models packed for inference compared with the same models in training.
@Suite(.onTestThreads) struct PackedModelTests {
    private static let lengths = [6_000, 400, 4_321, 4_321]

    private enum Kind: CaseIterable {
        case base
        case large
        case hourglass
    }

    private func model(_ kind: Kind) throws -> CTCModel {
        var configuration = try ModelConfiguration.small(channels: 40, width: 52, inner: 100, heads: 2)
        switch kind {
        case .base: break
        case .large: configuration.becomeLarge()
        case .hourglass:
            configuration.hourglass = try HourglassLayout(parsing: "[1,(1,2),1]")
            configuration.hourglassResample = .linear
        }
        return try CTCModel(configuration, labels: 9, initializer: .random(seed: 11))
    }

    private func logits(
        _ model: CTCModel, _ lengths: Range<Int> = 0..<lengths.count, _ plan: ExecutionPlan = .lean
    ) throws -> Tensor {
        var pass = ForwardPass.inference
        pass.plan = plan
        let samples = try Tensor.normal([Self.lengths.reduce(0, +)], generator: Generator(seed: 12))
        let places = RaggedLayout(Self.lengths)
        let rows = places.offsets[lengths.lowerBound]..<places.offsets[lengths.upperBound]
        return try withoutGradient {
            try model(samples.rows(rows), lengths: Array(Self.lengths[lengths]), pass).logits
        }
    }

    @Test(arguments: Kind.allCases)
    private func packedWeightsChangeNothing(_ kind: Kind) throws {
        let model = try model(kind)
        let expected = try logits(model)
        try model.convert(for: .inference, on: .cpu, precision: ModelPrecision(.fp32))
        #expect(try relativeError(logits(model), expected) < 1e-5)
    }

    /// The number of utterances that go through the extractor together does not matter.
    @Test(arguments: Kind.allCases)
    private func partsOfABatchChangeNothing(_ kind: Kind) throws {
        let model = try model(kind)
        try model.convert(for: .inference, on: .cpu, precision: ModelPrecision(.fp32))
        let expected = try logits(model)
        for samples in [1, Self.lengths[0] + Self.lengths[1]] {
            var plan = ExecutionPlan.lean
            plan.samplesAtOnce = samples
            let found = try logits(model, 0..<Self.lengths.count, plan)
            #expect(try relativeError(found, expected) < 1e-6, "\(samples) samples at once")
        }
    }

    @Test(arguments: Kind.allCases)
    private func bytesStayClose(_ kind: Kind) throws {
        let model = try model(kind)
        let expected = try logits(model)
        try model.convert(for: .inference, on: .cpu, precision: ModelPrecision(.int8))
        let found = try logits(model)
        let cosine = try (found * expected).sum().item() / (found.norm().item() * expected.norm().item())
        #expect(cosine > 0.999 && cosine < 0.9999999, "\(cosine)")
        let frames = try model.backbone.featureExtractor.layout(samples: Self.lengths)
        for utterance in 0..<Self.lengths.count {
            let alone = try logits(model, utterance..<utterance + 1)
            #expect(try relativeError(found.rows(frames.rows(utterance)), alone) < 2e-3, "an utterance by itself")
        }
    }

    /// Sizes that products of 8-bit floating-point numbers support.
    @Test func eightBitFloatsStayClose() throws {
        let configuration = try ModelConfiguration.small(channels: 32, width: 64, inner: 128, heads: 2)
        func model(_ mode: ModelPrecision.Mode?) throws -> Tensor {
            let model = try CTCModel(configuration, labels: 9, initializer: .random(seed: 11))
            if let mode { try model.convert(for: .inference, on: .cpu, precision: ModelPrecision(mode)) }
            return try logits(model).to(dtype: .float32)
        }
        let exact = try model(nil)
        func cosine(_ mode: ModelPrecision.Mode) throws -> Double {
            let found = try model(mode)
            return try (found * exact).sum().item() / (found.norm().item() * exact.norm().item())
        }
        let (half, eight) = (try cosine(.bf16), try cosine(.fp8))
        #expect(eight > 0.99 && eight < half, "\(eight), \(half)")
    }

    @Test func bytesAreForTheCPU() throws {
        let model = try model(.base)
        let error = #expect(throws: ConfigurationError.self) {
            try model.convert(for: .inference, on: .cuda(0), precision: ModelPrecision(.int8))
        }
        #expect(error.map { "\($0)" } == "int8 is a precision of the CPU; on cuda:0 choose fp16 or bf16")
    }
}
