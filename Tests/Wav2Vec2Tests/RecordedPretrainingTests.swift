import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

/// Recorded passes read everything from tensors: replayed with other numbers, they give the same as new passes.
@Suite(.onTestThreads) struct RecordedPretrainingTests {
    private static let lengths = [16_000, 16_000, 16_000]

    private struct Recipe {
        var configuration: ModelConfiguration
        var objective = ContrastiveConfiguration()
        var masking = MaskingConfiguration()

        init(_ option: String) throws {
            configuration = try .tiny(layers: 3)
            (configuration.dropoutFeatures, configuration.activationDropout) = (0.1, 0.1)
            configuration.encoderLayerdrop = 0.4
            objective.numNegatives = 5
            (masking.time.probability, masking.time.length, masking.time.countMultiple) = (0.6, 3, 16)
            switch option {
            case "all kinds of distractors":
                (objective.negativesFromEverywhere, objective.crossSampleNegatives, objective.codebookNegatives) =
                    (true, 4, 3)
            case "input quantizer and channel masks":
                configuration.quantizeInput = true
                masking.channel = SpanMasking(probability: 0.4, length: 4)
            case "hourglass":
                configuration.hourglass = try HourglassLayout(pre: 1, middle: 1, factor: 3, post: 1)
            default: break
            }
        }
    }

    /// One update's losses and gradients.
    private struct Outcome: Equatable {
        var losses: [Double]
        var gradients: [[Float]]
    }

    private func batch(_ model: PretrainingModel, _ recipe: Recipe, update: Int) throws -> PretrainingBatch {
        let samples = try Tensor.normal(
            [Self.lengths.reduce(0, +)], generator: Generator(seed: Int64(update)))
        let configuration = recipe.configuration
        let layout = try model.backbone.featureExtractor.layout(samples: Self.lengths)
        let everywhere = recipe.objective.negativesFromEverywhere
        let plans = try [0..<2, 2..<3].enumerated().map { index, utterances in
            let frames = Array(layout.lengths[utterances])
            let mask = try Mask.draw(
                recipe.masking, lengths: frames, channels: 16, seed: 1, update: update, subBatch: index)
            let negatives = Negatives.draw(
                recipe.objective, masked: everywhere ? mask.frames : mask.frames.map { Array($0.indices) },
                candidates: everywhere ? frames : mask.frames.map(\.count),
                entries: (configuration.latentVars, configuration.latentGroups),
                stream: RandomStream(seed: 1, purpose: .negatives, step: update, index: index))
            return SegmentPlan(
                utterances: utterances, mask: mask, negatives: negatives,
                noise: .drawn(try Generator(seed: Int64(2 * update + index))),
                inputNoise: .drawn(try Generator(seed: Int64(100 + 2 * update + index))))
        }
        return try PretrainingBatch(
            samples, lengths: Self.lengths, plans: plans, temperature: 2 - 0.1 * Double(update), for: model)
    }

    @Test(arguments: ["plain", "all kinds of distractors", "input quantizer and channel masks", "hourglass"])
    func equalPassesOfTheirOwn(_ option: String) throws {
        let recipe = try Recipe(option)
        let updates = 1...6
        func run(
            _ step: (PretrainingModel, PretrainingBatch, Int) throws -> Tensor
        ) throws -> [Outcome] {
            let model = try PretrainingModel(
                recipe.configuration, objective: recipe.objective, initializer: .random(seed: 2))
            try model.convertForTraining()
            let parameters = try FlatParameters(model.parameters())
            var shapes: Set<PretrainingBatch.Shape> = []
            let outcomes = try updates.map { update in
                try parameters.clearGradients()
                let batch = try batch(model, recipe, update: update)
                shapes.insert(batch.shape)
                let losses = try step(model, batch, update).elements(Double.self)
                return Outcome(
                    losses: losses,
                    gradients: try parameters.names.indices.map {
                        try parameters.view($0, of: parameters.gradients).elements()
                    })
            }
            // Otherwise nothing would have been replayed.
            #expect(shapes.count == 1)
            return outcomes
        }
        let scale = { (update: Int) in Double(1 << update) }
        let expected = try run { model, batch, update in
            try model.addGradients(
                batch, .training(seed: 7, update: update, microBatch: 1), scaledBy: .scalar(scale(update))
            ).numbers()
        }
        var recorded: RecordedObjective<ContrastiveObjective>?
        let found = try run { model, batch, update in
            let made = recorded ?? RecordedObjective(model, on: .cpu)
            recorded = made
            return try made.addGradients(
                batch, seed: 7, update: update, microBatch: 1, lossScale: scale(update)
            ).numbers
        }
        #expect(found == expected)
        #expect(zip(expected, expected.dropFirst()).allSatisfy { $0.losses != $1.losses })
        // Some layer has been skipped: its gradients are zero.
        #expect(expected.contains { $0.gradients.contains { $0.allSatisfy { $0 == 0 } } })
    }

    @Test func shapesTellWhoseCandidatesAreCompared() throws {
        var objective = ContrastiveConfiguration()
        (objective.negativesFromEverywhere, objective.numNegatives) = (true, 2)
        func shapes(_ masked: [[Int]]) throws -> [BlockComparison.Shape] {
            let negatives = Negatives.draw(
                objective, masked: masked, candidates: [4, 4, 4], entries: (2, 2),
                stream: RandomStream(seed: 1, purpose: .negatives, step: 1, index: 0))
            return try ContrastiveChoices(
                masked: masked, candidateCounts: [4, 4, 4], negatives: negatives, through: Upload(to: .cpu)
            )
            .shapes
        }
        #expect(try shapes([[0, 1], [1, 2], []]) == shapes([[2, 3], [0, 3], []]))
        #expect(try shapes([[0, 1], [1, 2], []]) != shapes([[], [0, 1], [1, 2]]))
    }
}
