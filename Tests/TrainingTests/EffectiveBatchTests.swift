import TestSupport
import Testing

@testable import W2VTraining

@Suite(.onTestThreads) struct EffectiveBatchTests {
    @Test(arguments: [
        ("base", 64), ("large", 128), ("finetune-base-1h", 8), ("finetune-base-10h", 8), ("finetune-base-100h", 8),
        ("finetune-base-960h", 8), ("finetune-vox-100h", 16), ("finetune-vox-960h", 24),
    ])
    func recipesAreWhatTheyMean(_ name: String, count: Int) throws {
        let batch = EffectiveBatch(try Recipe.load(name))
        #expect(batch.count == count && batch.intended == count && batch.mismatch == nil)
    }

    @Test func accumulationIsSolvedFor() throws {
        var recipe = try Recipe.load("base")
        func made(_ wanted: Int, processes: Int) throws -> [Int] {
            let batch = try EffectiveBatch(recipe, processes: processes).making(wanted)
            return [batch.concatenated, batch.accumulated]
        }
        #expect(try made(64, processes: 1) == [8, 8] && made(8, processes: 1) == [8, 1])
        #expect(try made(64, processes: 4) == [8, 2])
        // Fewer at once if the recipe's number is too large: each of 16 GPUs has 4 of 64 sub-batches.
        #expect(try made(64, processes: 16) == [4, 1] && made(60, processes: 1) == [6, 10])
        #expect(try made(4, processes: 1) == [4, 1] && made(7, processes: 7) == [1, 1])
        for (wanted, processes) in [(0, 1), (60, 16), (8, 16)] {
            #expect(throws: TrainingError.self) { try EffectiveBatch(recipe, processes: processes).making(wanted) }
        }
        do {
            _ = try EffectiveBatch(recipe, processes: 16).making(60)
        } catch let error as TrainingError {
            #expect(error == .indivisibleUpdate(subBatches: 60, processes: 16) && error.kind == .usage)
            #expect(error.advice?.description == "choose 48 or 64")
        }
        recipe.optimization.updateFreq = 2
        let small = EffectiveBatch(recipe)
        #expect(small.count == 16)
        #expect(try #require(small.mismatch).contains("an effective batch of 64"))
        let text = small.description(samplesPerSubBatch: 16_000 * 90)
        #expect(text.contains("1 process × 8 concatenated × 2 accumulated = 16 sub-batches, about 0.40 h of audio"))
        #expect(text.contains("the recipe intends 64"))
    }
}
