import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VBackbone
@testable import W2VKernels
@testable import W2VObjectives

/// Counts of a whole process, like profiles: one at a time.
extension ProfileTests {
    /// The calls of one micro-batch of eight utterances on the meta device.
    private func calls(
        subBatches: Int, keeping kept: KeptActivations = [], _ type: DType = .float32
    ) throws -> Rehearsal.Calls {
        try Rehearsal.run {
            let configuration = try ModelConfiguration.small(
                channels: 512, width: 64, inner: 128, heads: 2, layers: 2, positions: (16, 4))
            let objective = ContrastiveConfiguration()
            let model = try PretrainingModel(configuration, objective: objective, initializer: .random(seed: 2))
            for parameter in model.parameters() { parameter.tensor = try parameter.tensor.detached().to(device: .meta) }
            try model.convert(
                for: .training, on: .meta, precision: ModelPrecision(type == .bfloat16 ? .bf16 : .fp32))
            for parameter in model.parameters() {
                parameter.tensor = try parameter.tensor.detached().to(dtype: type)
            }
            try model.setRequiresGradient(true)
            let lengths = [Int](repeating: 16_000, count: 8)
            let size = 8 / subBatches
            let plans = try (0..<subBatches).map { index in
                let mask = Mask(frames: (0..<size).map { _ in Array(0..<30) })
                let negatives = Negatives.draw(
                    objective, masked: mask.frames, candidates: mask.frames.map(\.count),
                    entries: (configuration.latentVars, configuration.latentGroups),
                    stream: RandomStream(seed: 1, purpose: .negatives, step: 1, index: index))
                return SegmentPlan(
                    utterances: index * size..<(index + 1) * size, mask: mask, negatives: negatives,
                    noise: .drawn(try Generator(seed: Int64(index), device: .meta)))
            }
            let batch = try PretrainingBatch(
                Tensor.zeros([lengths.reduce(0, +)], device: .meta), lengths: lengths, plans: plans, temperature: 2,
                for: model)
            var pass = ForwardPass.training(seed: 1, update: 1)
            pass.plan.kept = kept
            func step() throws {
                _ = try model.addGradients(batch, pass, scaledBy: .scalar(1, device: .meta)).numbers()
                    .elements(Double.self)
            }
            // The first uploads constants.
            try step()
            return try Rehearsal.calls { try step() }
        }
    }

    @Test func aStepIsRehearsed() throws {
        for type in [DType.float32, .bfloat16] {
            let once = try calls(subBatches: 1, type)
            #expect(once.operators > 200 && once.kernels > 20, "\(once)")
            #expect(try calls(subBatches: 1, type) == once)
            let eight = try calls(subBatches: 8, type)
            #expect(eight.operators <= once.operators + 30, "\(eight), one: \(once)")
            #expect(eight.kernels <= once.kernels + 2, "\(eight), one: \(once)")
        }
    }

    /// What is kept need not be computed again: the first layer, five GELUs of the extractor, one of each feed-forward.
    @Test func keptActivationsSaveKernels() throws {
        let recomputing = try calls(subBatches: 1, .bfloat16)
        func saved(_ kept: KeptActivations) throws -> (operators: Int, kernels: Int) {
            let calls = try calls(subBatches: 1, keeping: kept, .bfloat16)
            return (recomputing.operators - calls.operators, recomputing.kernels - calls.kernels)
        }
        #expect(try saved([]) == (0, 0))
        let (first, extractor, forward) = try (saved(.firstLayer), saved(.extractor), saved(.feedForward))
        #expect(first.kernels == 1 && forward.kernels == 2)
        // GELU alone is LibTorch's operator: with a view, ten of five layers.
        #expect(extractor == (10, 0))
        #expect(try saved(.all) == (first.operators + extractor.operators + forward.operators, 3))
    }

    /// The operators that we and LibTorch's backward pass call are those of a CPU; its kernels call more.
    @Test func operatorsAreThoseOfTheCPU() throws {
        func operators(on device: Device) throws -> [String] {
            try Rehearsal.run {
                let layer = try Linear(24, 16, initializer: .random(seed: 1))
                for parameter in layer.parameters() {
                    parameter.tensor = try parameter.tensor.detached().to(device: device)
                }
                try layer.setRequiresGradient(true)
                let input = try Tensor.ones([10, 24], device: device)
                let rows = try Tensor([Int64(1), 3, 5]).to(device: device)
                return try Profile.record(on: device) {
                    let hidden = try layer(input).layerNormalized(weight: nil, bias: nil).tanh().taking(rows)
                    let spread = try hidden.varianceAndMean(1).variance + hidden.softmax(1).sum(1)
                    let signal = try hidden.realSpectrum(32).realSignal(32)
                    try (spread.sum() + signal.sum()).backward()
                }.outermostOperators
            }
        }
        let (host, meta) = try (operators(on: .cpu), operators(on: .meta))
        #expect(host.count > 20)
        #expect(meta == host, "\(meta.difference(from: host).map { "\($0)" }.prefix(3))")
    }
}

extension Profile {
    /// The names of operators that no other operator has called, in their order.
    fileprivate var outermostOperators: [String] {
        var (names, end): ([String], Double) = ([], -1)
        // Of two that begin at the same time, the longer one has called the other.
        let operators = spans.filter { $0.kind == .operator }.sorted { ($0.start, $1.end) < ($1.start, $0.end) }
        for span in operators where span.end > end {
            names.append(span.name)
            end = span.end
        }
        return names
    }
}
