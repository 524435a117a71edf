import TestSupport
import Testing
import W2VBackbone
import W2VBase
import W2VObjectives
import W2VTorch

@testable import W2VCorpus
@testable import W2VTraining

/// Recorded steps pay where shapes repeat: with fixed counts of masked frames and a grid of crop lengths, they do.
@Suite(.onTestThreads) struct RepeatedShapeTests {
    /// A micro-batch, by what decides its shape.
    private struct Key: Hashable {
        let crop: Int
        let utterances: [Int]
    }

    /// A key as the input of a recorder.
    private struct Place: RecordableInput {
        let shape: Key
        let tensors: [Tensor] = []

        func owned(on device: Device) throws -> Place { self }
    }

    private static let settings = ["masking.count=fixed", "batching.crop_grid=16"]

    /// Lengths like those of LibriSpeech: most utterances have 12 to 16 s, the others any shorter length.
    private static func lengths(_ count: Int) -> [Int] {
        var stream = RandomStream(seed: 5, purpose: .shuffle)
        return (0..<count).map { _ in
            let seconds = stream.uniform() < 0.6 ? 14.3 + 1.1 * stream.normal() : 1.4 + 14 * stream.uniform()
            return Int(16_000 * max(1.3, min(seconds, 24)))
        }
    }

    private func plan(_ recipe: Recipe, _ lengths: [Int], epoch: Int = 0) throws -> BatchPlan {
        let layers = recipe.model.convFeatureLayers
        return try BatchPlan(
            lengths: lengths,
            options: recipe.batchOptions(
                receptiveField: layers.receptiveField, leastSamples: layers.samples(frames: 3)),
            seed: recipe.seed, epoch: epoch)
    }

    /// Returns the micro-batches of a plan: their sub-batches.
    private func microBatches(_ plan: BatchPlan, _ recipe: Recipe) -> [Range<Int>] {
        stride(from: 0, to: plan.count, by: recipe.batching.numConcatBatches).map {
            $0..<min($0 + recipe.batching.numConcatBatches, plan.count)
        }
    }

    private func key(_ plan: BatchPlan, _ subBatches: Range<Int>) -> Key {
        Key(
            crop: plan.cropLength(subBatches.lowerBound, found: [1 << 30]) ?? 0,
            utterances: subBatches.map { plan[$0].count })
    }

    /// Over two epochs of 100,000 utterances, the base recipe has few shapes and replays almost always.
    @Test func theBaseRecipeReplays() throws {
        var recipe = try Recipe.load("base")
        try recipe.apply(Self.settings)
        let lengths = Self.lengths(100_000)
        let recorder = WorkRecorder<Place>(
            on: .cpu, capacity: RecordedObjective<ContrastiveObjective>.capacity, isLarge: true
        ) { _ in try .scalar(0) }
        var keys: Set<Key> = []
        var (used, all) = (0, 0)
        for epoch in 0..<2 {
            let plan = try plan(recipe, lengths, epoch: epoch)
            for subBatches in microBatches(plan, recipe) {
                let key = key(plan, subBatches)
                keys.insert(key)
                _ = try recorder(Place(shape: key))
                used += key.crop * key.utterances.reduce(0, +)
            }
            all += (0..<plan.count).flatMap { plan[$0] }.reduce(0) { $0 + min(lengths[$1], 250_000) }
        }
        #expect(keys.count <= 64, "\(keys.count) shapes")
        #expect(recorder.counts.firstRuns == keys.count, "no shape was forgotten")
        #expect(recorder.counts.replayedShare >= 0.9, "\(recorder.counts)")
        // Half a step of the grid is cropped away.
        #expect(Double(used) / Double(all) > 0.98)
        let ordinary = try Recipe.load("base")
        let other = try plan(ordinary, lengths)
        let others = Set(microBatches(other, ordinary).map { key(other, $0) })
        #expect(others.count > 4 * keys.count, "without the grid: \(others.count)")
    }

    /// What decides a micro-batch's shape is its crop length and its numbers of utterances, and nothing that is drawn.
    @Test func shapesFollowFromCropsAlone() throws {
        var recipe = try Recipe.load("base")
        try recipe.apply(
            SmallModels.assignments
                + Self.settings + [
                    "model.conv_feature_layers=[(4,10,5)]+[(4,3,2)]*4+[(4,2,2)]*2", "model.latent_vars=2",
                    "objective.num_negatives=1", "batching.num_concat_batches=2", "batching.crop_group=2",
                    "batching.max_tokens=400000",
                ])
        let plan = try plan(recipe, Self.lengths(400))
        let task = try PretrainingTask(recipe, weights: nil, device: .cpu)
        var shapes: [Key: PretrainingBatch.Shape] = [:]
        var repeated = 0
        for (update, subBatches) in microBatches(plan, recipe).enumerated() {
            let key = key(plan, subBatches)
            let batch = MicroBatch(
                subBatches.map { position in
                    let count = plan[position].count
                    return AudioBatch(
                        position: position, utteranceIndices: plan[position],
                        lengths: Array(repeating: key.crop, count: count),
                        samples: Array(repeating: 0.1, count: count * key.crop))
                })
            let prepared = try task.prepare(batch, update: 1 + update, microBatch: 0, through: Upload(to: .cpu))
            let shape = try #require(prepared as? PreparedBatch<ContrastiveObjective>).input.shape
            if let earlier = shapes[key] {
                #expect(earlier == shape)
                repeated += 1
            }
            #expect(!shapes.contains { $0.key != key && $0.value == shape })
            shapes[key] = shape
        }
        #expect(shapes.count > 10 && repeated > 20, "\(shapes.count) shapes, \(repeated) repetitions")
    }
}
