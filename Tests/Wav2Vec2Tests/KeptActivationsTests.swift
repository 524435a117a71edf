import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VKernels
@testable import W2VObjectives

@Suite(.onTestThreads) struct KeptActivationsTests {
    private let base = ModelConfiguration()
    private let large = [Int](repeating: 200_000, count: 56)

    /// As measured on an H200 in BF16, parameters and optimizer included: 14.8 GB for 56 × 12.5 s, 4.3 for 8 × 15 s.
    @Test func theEstimateIsNeitherTooSmallNorFarTooLarge() {
        let parameters = 95_000_000 * 20
        for (samples, measured) in [(large, 14.842), ([Int](repeating: 240_000, count: 8), 4.31)] {
            let needs = ActivationBytes(base, samples: samples, elementSize: 2)
            let estimate = Double(needs.always + parameters) / 1_048_576_000
            #expect(estimate > 0.95 * measured && estimate < 1.2 * measured, "\(estimate), measured: \(measured)")
        }
    }

    @Test func eachKindIsCounted() throws {
        let needs = ActivationBytes(base, samples: large, elementSize: 2)
        #expect(needs.firstLayer == 56 * 40_000 * 512 * 2)
        // Outputs of five layers, each half as long as the one before it.
        #expect(needs.extractor == (0..<5).reduce(0) { $0 + needs.firstLayer >> ($1 + 1) })
        #expect(needs.feedForward == 56 * 624 * 12 * 3072 * 2)
        #expect(needs.kept(.all) == needs.firstLayer + needs.extractor + needs.feedForward)
        var other = base
        other.hourglass = try HourglassLayout(parsing: "[2,(8,4),2]")
        #expect(ActivationBytes(other, samples: large, elementSize: 2).feedForward == needs.feedForward / 2)
        other = base
        other.extractorMode = .layerNorm
        let normed = ActivationBytes(other, samples: large, elementSize: 2)
        #expect(normed.firstLayer == 0 && normed.extractor == needs.firstLayer + needs.extractor)
        other = base
        other.checkpointActivations = true
        let checkpointed = ActivationBytes(other, samples: large, elementSize: 2)
        #expect(checkpointed.feedForward == 0 && checkpointed.always < needs.always / 4 * 3)
        #expect(ActivationBytes(base, samples: large, elementSize: 4).firstLayer == 2 * needs.firstLayer)
    }

    @Test func asMuchIsKeptAsFits() {
        let needs = ActivationBytes(always: 1000, firstLayer: 100, extractor: 200, feedForward: 300)
        func kept(_ free: Int?, share: Double = 1) -> KeptActivations { .chosen(for: needs, free: free, share: share) }
        #expect(kept(nil) == [] && kept(0) == [] && kept(1099) == [])
        #expect(kept(1100) == .firstLayer && kept(1299) == .firstLayer)
        #expect(kept(1300) == [.firstLayer, .extractor] && kept(1599) == [.firstLayer, .extractor])
        #expect(kept(1600) == .all && kept(.max) == .all)
        #expect(kept(3199, share: 0.5) == [.firstLayer, .extractor] && kept(3200, share: 0.5) == .all)
        // More memory never keeps less.
        var before = KeptActivations()
        for free in stride(from: 0, through: 2000, by: 7) {
            let now = kept(free)
            #expect(now.isSuperset(of: before))
            before = now
        }
    }

    /// Gradients of a model in BF16, whose layers all have GELU's recomputation, are the same to the last bit.
    @Test(arguments: [DType.float32, .bfloat16]) func keptAndRecomputedGradientsAreEqual(_ type: DType) throws {
        let kinds: [KeptActivations] = [[], .firstLayer, .extractor, .feedForward, .all]
        let gradients = try kinds.map { try self.gradients(keeping: $0, type) }
        for (kind, found) in zip(kinds, gradients) {
            #expect(found.keys == gradients[0].keys)
            for (name, gradient) in found {
                #expect(gradient == gradients[0][name], "\(kind.rawValue): \(name)")
            }
        }
        #expect(gradients[0].values.contains { $0.contains { $0 != 0 } })
    }

    private func gradients(keeping kept: KeptActivations, _ type: DType) throws -> [String: [Float]] {
        let configuration = try ModelConfiguration.tiny(layers: 2)
        let model = try Wav2Vec2Model(configuration, initializer: .random(seed: 3))
        try model.convert(
            for: .training, on: .cpu, precision: ModelPrecision(type == .bfloat16 ? .bf16 : .fp32))
        for parameter in model.parameters() {
            parameter.tensor = try parameter.tensor.detached().to(dtype: type)
        }
        try model.setRequiresGradient(true)
        var pass = ForwardPass.training(seed: 5, update: 1)
        pass.plan.kept = kept
        let lengths = [8000, 6400]
        let samples = try Tensor.normal([lengths.reduce(0, +)], generator: Generator(seed: 4))
        let context = try model(samples, lengths: lengths, pass).context
        let weights = try Tensor.normal(context.shape, generator: Generator(seed: 6)).to(dtype: context.dtype)
        let parameters = model.parameters()
        let found = try (context * weights).sum().gradients(of: parameters.map(\.tensor))
        return try Dictionary(
            uniqueKeysWithValues: zip(parameters, found).compactMap { parameter, gradient in
                try gradient.map { (parameter.name, try $0.elements(Float.self)) }
            })
    }
}
