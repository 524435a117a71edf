import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

/// A trained model has inputs far in the tails of GELU and softmax, which random weights lack.
@Suite(.onTestThreads) struct LearnedModelTests {
    private static let lengths = [16_000, 12_000]

    private struct Counts: Sendable {
        /// The number of subnormal numbers among activations, gradients and Adam's moments.
        var activations = 0
        var gradients = 0
        var moments = 0
        /// The number of zeros from the extractor's GELUs: inputs beyond their tail.
        var inTheTail = 0
        var losses: [Double] = []
    }

    private static func batch(_ model: PretrainingModel, update: Int) throws -> PretrainingBatch {
        let samples = lengths.enumerated().flatMap { tonesInNoise($1, seed: UInt64($0 + 2 * (update % 4))) }
        let layout = try model.backbone.featureExtractor.layout(samples: lengths)
        var masking = MaskingConfiguration()
        (masking.time.probability, masking.time.length) = (0.5, 4)
        let mask = try Mask.draw(
            masking, lengths: layout.lengths, channels: 32, seed: 1, update: update, subBatch: 0)
        let configuration = model.backbone.configuration
        let counts = mask.frames.map(\.count)
        let negatives = Negatives.draw(
            model.main.configuration, masked: counts.map { Array(0..<$0) }, candidates: counts,
            entries: (configuration.latentVars, configuration.latentGroups),
            stream: RandomStream(seed: 1, purpose: .negatives, step: update))
        let plan = SegmentPlan(
            utterances: 0..<lengths.count, mask: mask, negatives: negatives,
            noise: .drawn(try Generator(seed: Int64(update))))
        return try PretrainingBatch(
            Tensor(samples), lengths: lengths, plans: [plan], temperature: 2 - 0.005 * Double(update), for: model)
    }

    private static func train(updates: Int) throws -> Counts {
        var objective = ContrastiveConfiguration()
        objective.numNegatives = 10
        var configuration = try SmallModels.configuration()
        configuration.featureGradMult = 1
        (configuration.dropout, configuration.attentionDropout, configuration.dropoutFeatures) = (0, 0, 0)
        (configuration.dropoutInput, configuration.encoderLayerdrop) = (0, 0)
        let model = try PretrainingModel(
            configuration, objective: objective, initializer: .random(seed: 4))
        try model.convertForTraining()
        // Training makes the extractor's convolutions larger over hundreds of updates; these start large.
        for parameter in model.parameters() where parameter.name.hasPrefix("feature_extractor") {
            try parameter.tensor.scaleInPlace(1.8)
        }
        let parameters = try FlatParameters(model.parameters())
        let adam = try Adam(parameters, .init(beta1: 0.9, beta2: 0.98))
        var counts = Counts()
        for update in 1...updates {
            let batch = try batch(model, update: update)
            var pass = ForwardPass.training(seed: 1, update: update)
            let isLast = update > updates - 4
            if isLast {
                pass.plan = .full
                pass.probe = { _, tensor in counts.activations += (try? tensor.subnormalCount()) ?? 1 }
            }
            let loss = try model(batch, pass).loss
            try loss.backward()
            try parameters.collectGradients()
            if isLast { counts.gradients += try parameters.gradients.subnormalCount() }
            counts.losses.append(try loss.item() / Double(batch.utterances.maskedFrames[0]))
            // Far faster than a recipe would, so that a few updates are enough.
            try adam.step(learningRate: 3e-3, gradientScale: 1 / Double(batch.utterances.maskedFrames[0]))
            try parameters.clearGradients()
        }
        counts.moments = try adam.moments.first.subnormalCount() + adam.moments.second.subnormalCount()
        for output in try extractorOutputs(model) {
            let numbers = try output.elements(Float.self)
            counts.activations += numbers.reduce(0) { $0 + ($1.isSubnormal ? 1 : 0) }
            counts.inTheTail += numbers.reduce(0) { $0 + ($1 == 0 ? 1 : 0) }
        }
        return counts
    }

    /// Returns the output of each of the extractor's layers: the outputs of extractors that end with it.
    private static func extractorOutputs(_ model: PretrainingModel) throws -> [Tensor] {
        let extractor = model.backbone.featureExtractor
        let samples = try Tensor(tonesInNoise(lengths[0], seed: 0))
        return try extractor.layers.layers.indices.map { last in
            var configuration = model.backbone.configuration
            configuration.convFeatureLayers = try ConvolutionLayers(Array(extractor.layers.layers[...last]))
            let shorter = try FeatureExtractor(configuration, initializer: .empty)
            let names = Set(shorter.parameters().map(\.name))
            try shorter.adopt(extractor.state().filter { names.contains($0.key) })
            return try withoutGradient { try shorter(samples, lengths: [lengths[0]]).features }
        }
    }

    @Test func hasNoSubnormalNumbers() throws {
        let counts = try withSubnormals { try Self.train(updates: 80) }
        #expect(counts.activations == 0)
        #expect(counts.gradients == 0)
        #expect(counts.moments == 0)
        // Otherwise the test shows nothing: the model must have learned, and its activations have spread.
        #expect(counts.losses.suffix(8).reduce(0, +) < counts.losses.prefix(8).reduce(0, +))
        #expect(counts.inTheTail > 0)
    }
}
