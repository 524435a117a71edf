import TestSupport
import Testing
import W2VBase
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

extension ProfileTests {
    /// The number of operators of a pre-training micro-batch.
    private struct OperatorCounts: CustomStringConvertible {
        var forward = 0
        var backward = 0
        var description: String { "\(forward) forward, \(backward) backward" }
    }

    /// The masked frames of eight utterances, and their distractors.
    enum Raggedness: String, CaseIterable {
        /// The same number in each.
        case equal
        /// A few more in some utterances than in others.
        case ragged
        /// The same with all frames as candidates and distractors of all kinds.
        case allKinds
    }

    /// The operators of one micro-batch of eight utterances.
    private func operators(subBatches: Int, _ raggedness: Raggedness) throws -> OperatorCounts {
        let configuration = try ModelConfiguration.tiny(layers: 1)
        var objective = ContrastiveConfiguration()
        objective.numNegatives = 5
        let everywhere = raggedness == .allKinds
        if everywhere {
            (objective.negativesFromEverywhere, objective.crossSampleNegatives, objective.codebookNegatives) =
                (true, 4, 3)
        }
        let model = try PretrainingModel(configuration, objective: objective, initializer: .random(seed: 2))
        try model.convertForTraining()
        try model.setRequiresGradient(true)
        let lengths = [Int](repeating: 16_000, count: 8)
        let frames = try model.backbone.featureExtractor.layout(samples: lengths).lengths
        let size = 8 / subBatches
        let plans = try (0..<subBatches).map { index in
            let utterances = index * size..<(index + 1) * size
            let mask = Mask(
                frames: utterances.map { Array(0..<30 + (raggedness == .equal ? 0 : $0 % 3)) })
            let negatives = Negatives.draw(
                objective, masked: everywhere ? mask.frames : mask.frames.map { Array($0.indices) },
                candidates: everywhere ? Array(frames[utterances]) : mask.frames.map(\.count), entries: (6, 2),
                stream: RandomStream(seed: 1, purpose: .negatives, step: 1, index: index))
            return SegmentPlan(
                utterances: utterances, mask: mask, negatives: negatives,
                noise: .drawn(try Generator(seed: Int64(index))))
        }
        let batch = try PretrainingBatch(
            Tensor.normal([lengths.reduce(0, +)], generator: Generator(seed: 3)), lengths: lengths, plans: plans,
            temperature: 2, for: model)
        func count(_ body: () throws -> Void) throws -> Int {
            try Profile.record { try body() }.spans.count { $0.kind == .operator }
        }
        let pass = ForwardPass.training(seed: 1, update: 1)
        let forward = try count { _ = try model(batch, pass) }
        let both = try count {
            _ = try model.addGradients(batch, pass, scaledBy: .scalar(1)).numbers()
        }
        return OperatorCounts(forward: forward, backward: both - forward)
    }

    /// All sub-batches go through quantizer and losses together, whether their numbers of masked frames are equal or
    /// not.
    @Test(arguments: Raggedness.allCases)
    func operatorsDoNotGrowWithSubBatches(_ raggedness: Raggedness) throws {
        let one = try operators(subBatches: 1, raggedness)
        let two = try operators(subBatches: 2, raggedness)
        let eight = try operators(subBatches: 8, raggedness)
        print("operators of \(raggedness) sub-batches: 1: \(one), 2: \(two), 8: \(eight)")
        // Where segments differ, their sums are sums of products.
        let more = raggedness == .equal ? 8 : 30
        for found in [two, eight] {
            #expect(found.forward <= one.forward + more, "\(found), one: \(one)")
            #expect(found.backward <= one.backward + more, "\(found), one: \(one)")
        }
        #expect(one.backward > 0)
    }
}
