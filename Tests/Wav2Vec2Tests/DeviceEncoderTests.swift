import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone

/// The transformer with the GPU kernels, run thread by thread on the CPU: the gradients that LayerNorm's backward pass
/// adds up arrive where those of separate operators do.
@Suite(.onTestThreads) struct DeviceEncoderTests {
    private enum Kind: CaseIterable {
        case base
        case large
        case hourglass
        case recomputing
    }

    private func encoder(_ kind: Kind) throws -> TransformerEncoder {
        var configuration = try ModelConfiguration.small(layers: 3, positions: (8, 4))
        (configuration.dropout, configuration.activationDropout, configuration.encoderLayerdrop) = (0.1, 0.2, 0.3)
        configuration.attentionDropout = 0
        switch kind {
        case .base: break
        case .large: configuration.layerNormFirst = true
        case .hourglass: configuration.hourglass = try HourglassLayout(parsing: "[1,(2,2),1]")
        case .recomputing: configuration.checkpointActivations = true
        }
        let encoder = try TransformerEncoder(configuration, initializer: .random(seed: 9))
        try encoder.replaceChildren(
            Conversion(for: .training, on: .cpu, precision: ModelPrecision()).encoderLayer)
        try encoder.setRequiresGradient(true)
        return encoder
    }

    @Test(arguments: Kind.allCases)
    private func gradientsEqual(_ kind: Kind) throws {
        let encoder = try encoder(kind)
        let layout = RaggedLayout([7, 12, 5])
        // The gradient of the keys' bias is zero but for rounding.
        let parameters = encoder.parameters().filter { !$0.name.hasSuffix("qkv_proj.bias") }
        func results(_ update: Int, rows: [Int]?) throws -> [Tensor?] {
            let input = try Tensor.normal([layout.total, 32], generator: Generator(seed: 2)).requiringGradient()
            let context = try encoder(
                input, layout, readRows: rows.map { try Tensor($0) }, .training(seed: 1, update: update))
            let weights = try Tensor.normal(context.shape, generator: Generator(seed: 3))
            return try [context]
                + context.gradients(of: [input] + parameters.map(\.tensor), outputGradient: weights)
        }
        for (update, rows) in [(1, nil), (2, [0, 3, 4, 8, 23]), (5, nil)] as [(Int, [Int]?)] {
            let expected = try results(update, rows: rows)
            var found: [Tensor?] = []
            let launched = try kernelsLaunched { found = try results(update, rows: rows) }
            #expect(launched.contains("residual_norm_backward_float32") == (kind != .large))
            let names = ["context", "input"] + parameters.map(\.name)
            for (name, (found, expected)) in zip(names, zip(found, expected)) {
                guard let found, let expected else {
                    #expect(found == nil && expected == nil, "\(name) has a gradient in one case only")
                    continue
                }
                let error = try relativeError(found, expected)
                #expect(error < 2e-5, "\(name) differs by \(error) in update \(update)")
            }
        }
    }
}
