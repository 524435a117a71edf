import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone

/// A plan and a probe change which parts of a pass are computed or observed, but not the results.
@Suite(.onTestThreads) struct ExecutionPlanTests {
    @Test func utterancesShareAPassUpToALimit() {
        func groups(_ lengths: [Int], atOnce limit: Int) -> [Range<Int>] {
            var plan = ExecutionPlan.lean
            plan.samplesAtOnce = limit
            return plan.groups(samples: lengths)
        }
        #expect(groups([5, 5, 5], atOnce: 10) == [0..<2, 2..<3])
        #expect(groups([5, 5, 5], atOnce: 15) == [0..<3])
        #expect(groups([5, 5, 5], atOnce: 1) == [0..<1, 1..<2, 2..<3])
        #expect(groups([20, 3, 3, 20], atOnce: 10) == [0..<1, 1..<3, 3..<4])
    }

    private static let lengths = [7, 12, 5]

    private enum Kind: CaseIterable {
        case base
        case large
        case hourglass
        case hourglassToTheEnd
    }

    private func encoder(_ kind: Kind, layerDrop: Double) throws -> TransformerEncoder {
        var configuration = try ModelConfiguration.small(layers: 3, positions: (8, 4))
        (configuration.dropout, configuration.attentionDropout, configuration.activationDropout) = (0, 0, 0)
        configuration.encoderLayerdrop = layerDrop
        switch kind {
        case .base: break
        case .large: configuration.layerNormFirst = true
        case .hourglass: configuration.hourglass = try HourglassLayout(parsing: "[1,(2,2),1]")
        case .hourglassToTheEnd: configuration.hourglass = try HourglassLayout(parsing: "[1,(2,2),0]")
        }
        let encoder = try TransformerEncoder(configuration, initializer: .random(seed: 9))
        try encoder.replaceChildren(
            Conversion(for: .training, on: .cpu, precision: ModelPrecision()).encoderLayer)
        try encoder.setRequiresGradient(true)
        return encoder
    }

    /// The context of some frames, and the gradients of all parameters that have any.
    private func results(
        _ encoder: TransformerEncoder, _ pass: ForwardPass, rows: [Int]
    ) throws -> [Tensor] {
        let layout = RaggedLayout(Self.lengths)
        let input = try Tensor.normal([layout.total, 32], generator: Generator(seed: 2))
        let context = try encoder(input, layout, readRows: Tensor(rows), pass)
        #expect(context.shape == [rows.count, 32])
        let weights = try Tensor.normal(context.shape, generator: Generator(seed: 3))
        let parameters = encoder.parameters().filter { !$0.name.hasSuffix("qkv_proj.bias") }
        return try [context]
            + context.gradients(of: parameters.map(\.tensor), outputGradient: weights).map {
                try $0 ?? Tensor.zeros([1])
            }
    }

    @Test(arguments: Kind.allCases)
    private func rowsThatAreReadAreTheSame(_ kind: Kind) throws {
        let encoder = try encoder(kind, layerDrop: 0.4)
        let rows = [0, 3, 4, 8, 11, 20, 23]
        var skipsLast = false
        for update in 1...12 {
            var (full, names) = (ForwardPass.training(seed: 1, update: update), Set<String>())
            (full.plan, full.probe) = (.full, { name, _ in names.insert(name) })
            let expected = try results(encoder, full, rows: rows)
            #expect(names.isSuperset(of: encoder.keyedLayers.map(\.key) + ["pos_conv", "layers_input"]))
            let found = try results(encoder, .training(seed: 1, update: update), rows: rows)
            for (own, other) in zip(found, expected) { #expect(try relativeError(own, other) < 1e-5) }
            // A probe sees the values that are computed without it.
            var (probed, last) = (ForwardPass.training(seed: 1, update: update), 0)
            probed.probe = { name, tensor in if name == encoder.keyedLayers.last?.key { last = tensor.size(0) } }
            for (own, other) in zip(found, try results(encoder, probed, rows: rows)) {
                #expect(try own.elements(Float.self) == other.elements(Float.self))
            }
            let dropped = encoder.droppedParameters(.training(seed: 1, update: update))
            let isDropped = dropped.contains { $0.hasPrefix(encoder.keyedLayers.last?.key ?? "-") }
            skipsLast = skipsLast || isDropped
            if kind != .hourglassToTheEnd {
                #expect(last == (isDropped ? RaggedLayout(Self.lengths).total : rows.count))
            }
        }
        #expect(skipsLast, "no update has left out the last layer")
    }

    @Test func layersAboveTheDepthAreSkipped() throws {
        let encoder = try encoder(.base, layerDrop: 0)
        var stages: [String: Tensor] = [:]
        var pass = ForwardPass.inference
        pass.plan.depth = 2
        pass.probe = { stages[$0] = $1 }
        let layout = RaggedLayout(Self.lengths)
        let input = try Tensor.normal([layout.total, 32], generator: Generator(seed: 2))
        _ = try encoder(input, layout, pass)
        let outputs = try (0..<3).map { try #require(stages["layers.\($0)"]) }
        #expect(!outputs[1].isIdentical(to: outputs[0]) && outputs[2].isIdentical(to: outputs[1]))
    }
}
