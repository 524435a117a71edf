import Testing

@testable import Training

@Suite struct EffectiveBatchTests {
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
        let one = EffectiveBatch(recipe)
        #expect(try one.updateFreq(for: 64) == 8 && one.updateFreq(for: 8) == 1)
        #expect(try EffectiveBatch(recipe, processes: 4).updateFreq(for: 64) == 2)
        for impossible in [0, 4, 60] {
            #expect(throws: TrainingError.self) { try one.updateFreq(for: impossible) }
        }
        do {
            _ = try one.updateFreq(for: 60)
        } catch let error as TrainingError {
            #expect("\(error)".contains("56 or 64") && error.exitCode == 64)
        }
        recipe.optimization.updateFreq = 2
        let small = EffectiveBatch(recipe)
        #expect(small.count == 16)
        #expect(try #require(small.mismatch).contains("optimization.update_freq=8"))
        let text = small.description(samplesPerSubBatch: 16_000 * 90)
        #expect(text.contains("1 process × 8 concatenated × 2 accumulated = 16 sub-batches, about 0.40 h of audio"))
        #expect(text.contains("the recipe means 64"))
    }
}
