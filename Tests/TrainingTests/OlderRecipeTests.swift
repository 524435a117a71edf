import Foundation
import TestSupport
import Testing

@testable import W2VTraining

/// The recipe files of version 0.1, in `Tests/Fixtures/recipes`: a copy that a user has kept means what it meant.
@Suite(.onTestThreads) struct OlderRecipeTests {
    private static let names = [
        "base", "base-benchmark", "demo-finetune", "demo-pretrain", "finetune-base-100h", "finetune-base-10h",
        "finetune-base-1h", "finetune-base-960h", "finetune-base-benchmark", "finetune-vox-100h", "finetune-vox-960h",
        "finetune-vox-960h-cv", "large",
    ]

    private static func file(_ name: String) -> URL {
        Repository.fixtures.appendingPathComponent("recipes/\(name).yaml")
    }

    /// If a built-in recipe is changed on purpose, its file of 0.1 needs an expectation of its own here.
    @Test(arguments: names) func equalsTheRecipeOfToday(_ name: String) throws {
        #expect(try Recipe.load(Self.file(name).path) == Recipe.load(name))
    }

    /// Two recipes that fell back to defaults would be equal as well.
    @Test func valuesAreThoseOfTheFile() throws {
        let base = try Recipe.load(Self.file("base").path)
        #expect(base.optimization.maxUpdate == 400_000 && base.batching.numConcatBatches == 8)
        #expect(base.model.hourglass != nil && base.checkpoint.saveEvery == .epochs(1))
        let finetuning = try Recipe.load(Self.file("finetune-vox-960h").path)
        #expect(finetuning != base && finetuning.optimization.maxUpdate == 320_000)
    }
}
