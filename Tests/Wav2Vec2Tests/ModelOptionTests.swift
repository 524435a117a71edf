import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

/// The options that the golden cases leave at their defaults.
@Suite("Model options", .onTestThreads)
struct ModelOptionTests {
    private static let lengths = [8_000, 5_000, 6_400]

    private func plan(
        _ model: PretrainingModel, _ layout: RaggedLayout, update: Int = 1
    ) throws -> SegmentPlan {
        var masking = MaskingConfiguration()
        (masking.time.probability, masking.time.length, masking.time.requireSameMasks) = (0.5, 3, false)
        let mask = try Mask.draw(
            masking, lengths: layout.lengths, channels: 16, seed: 1, update: update, subBatch: 0)
        let objective = model.main.configuration
        let everywhere = objective.negativesFromEverywhere
        let negatives = Negatives.draw(
            objective, masked: everywhere ? mask.frames : mask.frames.map { Array($0.indices) },
            candidates: everywhere ? layout.lengths : mask.frames.map(\.count),
            entries: (model.backbone.configuration.latentVars, model.backbone.configuration.latentGroups),
            stream: RandomStream(seed: 1, purpose: .negatives, step: update))
        return SegmentPlan(
            utterances: 0..<layout.count, mask: mask, negatives: negatives,
            noise: .drawn(try Generator(seed: 5)), inputNoise: .drawn(try Generator(seed: 6)))
    }

    private func step(_ model: PretrainingModel) throws -> ContrastiveTerms {
        let samples = try Tensor.normal([Self.lengths.reduce(0, +)], generator: Generator(seed: 3))
        let layout = try model.backbone.featureExtractor.layout(samples: Self.lengths)
        return try model.losses(
            PretrainingBatch(
                samples, lengths: Self.lengths, plans: [plan(model, layout)], temperature: 1.5, for: model),
            .training(seed: 1, update: 1))
    }

    /// Every option's parameters are used: the loss is finite and each receives a gradient.
    @Test(arguments: [
        "plain", "input quantizer", "shared quantizer", "target gate", "everywhere", "other negatives",
        "combined groups",
        "deep quantizer", "no quantizer", "binary", "hourglass",
    ])
    func everyParameterLearns(_ option: String) throws {
        var objective = ContrastiveConfiguration()
        objective.numNegatives = 7
        let configuration = try ModelConfiguration.tiny { configuration in
            configuration.encoderLayerdrop = 0
            switch option {
            case "input quantizer": configuration.quantizeInput = true
            case "shared quantizer":
                (configuration.quantizeInput, configuration.sameQuantizer) = (true, true)
            case "target gate": configuration.targetGlu = true
            case "everywhere": objective.negativesFromEverywhere = true
            case "other negatives":
                (objective.crossSampleNegatives, objective.codebookNegatives) = (5, 4)
            case "combined groups": configuration.combineGroups = true
            case "deep quantizer": configuration.quantizerDepth = 3
            case "no quantizer": configuration.quantizeTargets = false
            case "binary": objective.infonce = false
            case "hourglass":
                configuration.hourglass = try? HourglassLayout(pre: 1, middle: 1, factor: 3, post: 1)
                configuration.hourglassResample = .linear
            default: break
            }
        }
        let model = try PretrainingModel(configuration, objective: objective, initializer: .random(seed: 2))
        try model.setRequiresGradient(true)
        let losses = try step(model)
        #expect(try losses.total.item().isFinite)
        #expect((losses.diversity == nil) == (option == "no quantizer"))
        let width = 1 + 7 + (option == "other negatives" ? 9 : 0)
        #expect(losses.logits?.shape == [losses.sampleSizes[0], width])
        try losses.total.backward()
        for parameter in model.parameters() {
            let gradient = try #require(try parameter.tensor.gradient(), "\(parameter.name) has no gradient")
            #expect(try gradient.isFinite() && gradient.norm().item() > 0, "\(parameter.name) does not learn")
        }
    }

    /// Utterances with equal counts are one product; each by itself gives the same.
    @Test func equalUtterancesTogetherOrAlone() throws {
        let predictions = try Tensor.normal([8, 4], dtype: .float64, generator: Generator(seed: 1))
        let candidates = try Tensor.normal([13, 4], dtype: .float64, generator: Generator(seed: 2))
        let identities = [0, 1, 0, 3, 4, 5, 6, 6, 5, 9, 1, 1, 2]
        let masked = [[0, 2, 3], [1, 2, 4], [0, 2]]
        let counts = [5, 5, 3]
        let negatives = [[1, 2, 3, 4, 0, 0], [3, 2, 1, 0, 4, 0], [1, 2, 1, 0]]
        func logits(_ utterances: Range<Int>) throws -> Tensor {
            let frames = RaggedLayout(masked.map(\.count)).offsets
            let pool = RaggedLayout(counts).offsets
            let own = pool[utterances.lowerBound]..<pool[utterances.upperBound]
            return try contrastiveLogits(
                predictions: predictions.rows(frames[utterances.lowerBound]..<frames[utterances.upperBound]),
                candidates: candidates.rows(own), identities: Tensor(Array(identities[own])),
                choices: ContrastiveChoices(
                    masked: Array(masked[utterances]), candidateCounts: Array(counts[utterances]),
                    negatives: Negatives(sameUtterance: Array(negatives[utterances])), through: Upload(to: .cpu)),
                codeVectors: nil, temperature: 0.1)
        }
        let together = try logits(0..<3).elements(Double.self)
        let alone = try (0..<3).flatMap { try logits($0..<$0 + 1).elements(Double.self) }
        #expect(together.contains(-.infinity))
        #expect(zip(together, alone).allSatisfy { $0 == $1 || abs($0 - $1) < 1e-12 })
    }

    /// One product per utterance and a choice of its elements equals gathered vectors and their cosines.
    @Test func contrastiveLogitsEqualCosinesOfGatheredVectors() throws {
        let masked = [[0, 2, 3], [1, 2]]
        let counts = [5, 3]
        let predictions = try Tensor.normal([5, 4], dtype: .float64, generator: Generator(seed: 1))
        let candidates = try Tensor.normal([8, 4], dtype: .float64, generator: Generator(seed: 2))
        let codes = try Tensor.normal([5, 2, 4], dtype: .float64, generator: Generator(seed: 3))
        let same = [[1, 2, 3, 4, 0, 0], [0, 2, 1, 0]]
        let anywhere = [7, 6, 5, 0, 1]
        let identities = [0, 1, 0, 3, 4, 5, 6, 6]
        let codeIdentities = [0, 9, 9, 0, 3, 9, 9, 9, 6, 5]
        let logits = try contrastiveLogits(
            predictions: predictions, candidates: candidates, identities: Tensor(identities),
            choices: ContrastiveChoices(
                masked: masked, candidateCounts: counts,
                negatives: Negatives(sameUtterance: same, anywhere: anywhere, codes: codeIdentities),
                through: Upload(to: .cpu)),
            codeVectors: (codes, Tensor(codeIdentities, shape: [5, 2])), temperature: 0.1)

        func cosine(_ left: [Double], _ right: [Double]) -> Double {
            func norm(_ vector: [Double]) -> Double { vector.map { $0 * $0 }.reduce(0, +).squareRoot() }
            return zip(left, right).map { $0 * $1 }.reduce(0, +) / (norm(left) * norm(right))
        }
        let vectors = try (0..<8).map { try candidates.selected(0, $0).elements(Double.self) }
        var expected: [Double] = []
        var frame = 0
        for (utterance, positions) in masked.enumerated() {
            let offset = utterance == 0 ? 0 : counts[0]
            for (row, position) in positions.enumerated() {
                let own = offset + position
                let prediction = try predictions.selected(0, frame).elements(Double.self)
                func logit(_ vector: [Double], _ identity: Int) -> Double {
                    identity == identities[own] ? -.infinity : cosine(prediction, vector) / 0.1
                }
                expected.append(cosine(prediction, vectors[own]) / 0.1)
                for negative in same[utterance][row * 2..<row * 2 + 2] {
                    expected.append(logit(vectors[offset + negative], identities[offset + negative]))
                }
                expected.append(logit(vectors[anywhere[frame]], identities[anywhere[frame]]))
                for code in 0..<2 {
                    let vector = try codes.selected(0, frame).selected(0, code).elements(Double.self)
                    expected.append(logit(vector, codeIdentities[frame * 2 + code]))
                }
                frame += 1
            }
        }
        #expect(try relativeError(logits, Tensor(expected, shape: [5, 6])) < 1e-12)
        #expect(expected.contains(-.infinity))
    }

    /// A batch of several sub-batches has the same loss and gradients as the sub-batches one after another.
    @Test(arguments: ["plain", "distractors of all kinds", "input quantizer"])
    func concatenatedSubBatchesEqualSeparateOnes(_ option: String) throws {
        var objective = ContrastiveConfiguration()
        if option == "distractors of all kinds" {
            (objective.negativesFromEverywhere, objective.crossSampleNegatives, objective.codebookNegatives) =
                (true, 4, 3)
        }
        let model = try PretrainingModel(
            ModelConfiguration.tiny {
                ($0.encoderLayerdrop, $0.dropout, $0.attentionDropout, $0.dropoutInput, $0.dropoutFeatures) =
                    (0, 0, 0, 0, 0)
                $0.quantizeInput = option == "input quantizer"
            }, objective: objective, initializer: .random(seed: 2))
        try model.setRequiresGradient(true)
        let signals = try Self.lengths.enumerated().map {
            try Tensor.normal([$1], generator: Generator(seed: Int64($0)))
        }
        func plan(_ utterances: Range<Int>, _ layout: RaggedLayout, seed: Int64) throws -> SegmentPlan {
            var result = try self.plan(
                model, RaggedLayout(Array(layout.lengths[utterances])), update: Int(seed))
            result.utterances = utterances
            result.noise = .drawn(try Generator(seed: seed))
            result.inputNoise = .drawn(try Generator(seed: seed + 100))
            return result
        }
        func gradients(_ losses: ContrastiveTerms) throws -> [Tensor] {
            let parameters = model.parameters().map(\.tensor)
            return try zip(losses.total.gradients(of: parameters), parameters).map { try $0 ?? $1.zerosLike() }
        }
        let layout = try model.backbone.featureExtractor.layout(samples: Self.lengths)
        func losses(_ utterances: Range<Int>, _ plans: [SegmentPlan]) throws -> ContrastiveTerms {
            try model.losses(
                PretrainingBatch(
                    .concatenate(Array(signals[utterances])), lengths: Array(Self.lengths[utterances]), plans: plans,
                    temperature: 2, for: model), .inference)
        }
        /// Returns each quantity of each segment, [quantities, segments].
        func statistics(_ terms: ContrastiveTerms) throws -> Tensor {
            try .stack(
                [
                    terms.totals, terms.contrastive, terms.diversity, terms.penalty, terms.correct,
                    terms.quantized?.codePerplexity, terms.quantized?.probabilityPerplexity,
                ].compactMap { try $0?.detached().to(dtype: .float64) })
        }
        let together = try losses(0..<3, [plan(0..<2, layout, seed: 8), plan(2..<3, layout, seed: 9)])
        let first = try losses(0..<2, [plan(0..<2, layout, seed: 8)])
        var alone = try plan(2..<3, layout, seed: 9)
        alone.utterances = 0..<1
        let second = try losses(2..<3, [alone])
        let separate = try Tensor.concatenate([statistics(first), statistics(second)], 1)
        #expect(try relativeError(statistics(together), separate) < 1e-5)
        let sums = try zip(gradients(first), gradients(second)).map { try $0 + $1 }
        for (parameter, (found, expected)) in zip(model.parameters(), zip(try gradients(together), sums))
        where !parameter.name.hasSuffix("qkv_proj.bias") {
            #expect(try relativeError(found, expected) < 1e-5, "\(parameter.name)")
        }
    }

    /// Each segment gets the noise that it would have alone; some segments cannot go without.
    @Test func noiseOfSegments() throws {
        let configuration = try ModelConfiguration.tiny()
        func numbers(_ noises: [QuantizerNoise], _ rows: [Int]) throws -> [Float]? {
            try QuantizerNoise.numbers(noises, rows: rows, configuration, on: .cpu)?.elements()
        }
        func drawn(_ seed: Int64) throws -> QuantizerNoise { .drawn(try Generator(seed: seed)) }
        let together = try numbers([drawn(1), drawn(2)], [3, 500])
        let alone = try [numbers([drawn(1)], [3]), numbers([drawn(2)], [500])].compactMap { $0 }
        #expect(together == alone.flatMap { $0 })
        #expect(try numbers([.none, .none], [3, 500]) == nil)
        #expect(throws: TorchError.self) { try numbers([drawn(1), .none], [3, 500]) }
    }

    @Test func layerDropSkipsTheSameLayersInAllMicroBatchesOfAnUpdate() throws {
        let model = try Wav2Vec2Model(
            ModelConfiguration.tiny { ($0.encoderLayerdrop, $0.encoderLayers) = (0.5, 8) },
            initializer: .random(seed: 4))
        let signal = try Tensor.normal([8_000], generator: Generator(seed: 1))
        func skipped(_ update: Int, microBatch: Int) throws -> [Bool] {
            var stages: [Tensor] = []
            var pass = ForwardPass.training(seed: 3, update: update, microBatch: microBatch)
            pass.probe = { if $0 == "layers_input" || $0.hasPrefix("layers.") { stages.append($1) } }
            _ = try model(signal, lengths: [8_000], pass)
            return zip(stages, stages.dropFirst()).map { $0.isIdentical(to: $1) }
        }
        let all = try (1...12).map { try skipped($0, microBatch: 0) }
        for (update, first) in zip(1..., all) { #expect(try skipped(update, microBatch: 5) == first) }
        let share = Double(all.flatMap { $0 }.filter { $0 }.count) / 96
        #expect(Set(all).count > 6 && abs(share - 0.5) < 0.2, "\(share) of the layers are skipped")
    }

    @Test func blankWeights() throws {
        let signal = try Tensor.normal([6_000], generator: Generator(seed: 1))
        func model(_ change: (inout CTCConfiguration) -> Void = { _ in }) throws -> CTCModel {
            var options = CTCConfiguration()
            change(&options)
            let model = try CTCModel(
                ModelConfiguration.tiny(), labels: 5, options: options, initializer: .random(seed: 7))
            try model.setRequiresGradient(true)
            return model
        }
        let plain = try model()(signal, lengths: [6_000]).logits
        let added = try model { $0.blankWeight = 2 }(signal, lengths: [6_000]).logits
        let set = try model { ($0.blankWeight, $0.blankMode) = (-3, .set) }(signal, lengths: [6_000]).logits
        #expect(try relativeError(added.selected(1, 0), plain.selected(1, 0) + 2) < 1e-6)
        #expect(try set.selected(1, 0).elements(Float.self).allSatisfy { $0 == -3 })
        for changed in [added, set] {
            #expect(try relativeError(changed.narrowed(1, 1..<5), plain.narrowed(1, 1..<5)) == 0)
        }
    }

    /// Labels that cannot fit their frames have zero loss and gradient, instead of spoiling the batch.
    @Test func impossibleLabelsAreWorthZero() throws {
        let model = try CTCModel(ModelConfiguration.tiny(), labels: 5, initializer: .random(seed: 7))
        let signal = try Tensor.normal([800], generator: Generator(seed: 1))
        let (logits, layout) = try model(signal, lengths: [800])
        #expect(try model.losses(logits, layout, targets: [[1, 1, 1, 1, 1]]).item() == 0)
    }
}
