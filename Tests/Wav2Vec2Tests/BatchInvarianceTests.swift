import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

/// An utterance's results are the same alone and in any batch.
@Suite("Batch invariance", .onTestThreads)
struct BatchInvarianceTests {
    private static func configuration(_ variant: String) throws -> ModelConfiguration {
        var configuration = try ModelConfiguration.small(channels: 24, positions: (15, 4))
        configuration.featureGradMult = 1
        switch variant {
        case "large":
            configuration.becomeLarge()
            configuration.convPos = 16
        case "hourglass": configuration.hourglass = try HourglassLayout(pre: 1, middle: 1, factor: 3, post: 1)
        default: break
        }
        return configuration
    }

    private func signal(_ length: Int, _ seed: Int64) throws -> Tensor {
        try Tensor.normal([length], generator: Generator(seed: seed))
    }

    @Test(arguments: ["base", "large", "hourglass"])
    func outputsLogitsAndGradients(_ variant: String) throws {
        let model = try CTCModel(Self.configuration(variant), labels: 8, initializer: .random(seed: 5))
        try model.convertForTraining()
        // Larger weights than the initial ones, so that everything has an effect.
        for parameter in model.parameters() where parameter.name.contains("self_attn") {
            try parameter.tensor.scaleInPlace(8)
        }
        try model.setRequiresGradient(true)
        let own = try signal(9_321, 1)
        let targets = [3, 1, 4, 4, 2]

        func run(_ companions: [Int], position: Int) throws -> (context: Tensor, logits: Tensor, gradients: [Tensor]) {
            var signals = try companions.enumerated().map { try signal($1, Int64(100 + $0)) }
            signals.insert(own, at: position)
            var context: Tensor?
            var pass = ForwardPass.inference
            pass.probe = { if $0 == "encoder_out" { context = $1 } }
            let (logits, layout) = try model(.concatenate(signals), lengths: signals.map(\.count), pass)
            let losses = try model.losses(logits, layout, targets: signals.map { _ in targets })
            let parameters = model.parameters().map(\.tensor)
            let gradients = try losses.selected(0, position).gradients(of: parameters)
            let rows = layout.rows(position)
            return (
                try #require(context).rows(rows), try logits.rows(rows),
                try zip(gradients, parameters).map { try $0 ?? $1.zerosLike() }
            )
        }
        let alone = try run([], position: 0)
        for (companions, position) in [
            ([5_000], 0), ([5_000], 1), ([400, 20_011, 9_321], 2), ([9_321, 719, 3_200], 1),
        ] {
            let together = try run(companions, position: position)
            #expect(try relativeError(together.context, alone.context) < 1e-5)
            #expect(try relativeError(together.logits, alone.logits) < 1e-5)
            for (parameter, (found, expected)) in zip(model.parameters(), zip(together.gradients, alone.gradients))
            where !parameter.name.hasSuffix("qkv_proj.bias") {
                // The gradient of the middle third of that bias, the keys', is only rounding noise.
                let error = try relativeError(found, expected)
                #expect(error < 1e-5, "\(parameter.name) differs by \(error) among \(companions)")
            }
        }
    }

    @Test func tooShortAnUtteranceIsNamed() throws {
        let model = try CTCModel(Self.configuration("base"), labels: 8, initializer: .random(seed: 5))
        #expect(
            throws: ConfigurationError(
                "utterance 1 of the batch has 399 samples; at least 400 are needed for one frame")
        ) {
            try model(signal(1_399, 1), lengths: [1_000, 399])
        }
    }
}
