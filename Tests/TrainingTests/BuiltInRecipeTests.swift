import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VTraining

/// Every built-in recipe trains: two updates at reduced width, with all its other settings.
@Suite(.onTestThreads, .serialized) struct BuiltInRecipeTests {
    init() {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
    }

    /// Smaller in every size, and no longer than the recordings; schedules, masks, dropouts and Hourglass stay.
    private static func reduced(_ name: String) throws -> Recipe {
        var recipe = try Recipe.load(name)
        try recipe.apply(
            SmallModels.assignments + [
                "objective.num_negatives=10", "masking.mask_length=3", "masking.mask_channel_length=4",
                "data.min_sample_size=0", "batching.max_tokens=48000",
                "batching.required_batch_size_multiple=1", "batching.num_concat_batches=2",
                "optimization.update_freq=2",
                "optimization.max_update=2", "optimization.warmup_updates=1", "optimization.hold_updates=0",
                "ctc.freeze_finetune_updates=\(min(1, recipe.ctc.freezeFinetuneUpdates))", "logging.log_every=1",
            ])
        if recipe.model.hourglass != nil { try recipe.apply(["model.hourglass=[1,(2,4),1]"]) }
        if recipe.data.maxSampleSize != nil { recipe.data.maxSampleSize = 12_000 }
        return recipe
    }

    @Test(arguments: Recipe.builtInNames)
    func twoUpdatesAtReducedWidth(_ name: String) throws {
        let corpus = try SyntheticCorpus(utterances: 6)
        let finetunes = name.contains("finetune")
        var job = try corpus.job(finetunes ? .finetuning : .pretraining, "run")
        job.recipe = try Self.reduced(name)
        if finetunes, !name.hasPrefix("demo") {
            var pretraining = try corpus.job(.pretraining, "pretrained", ["optimization.max_update=1"])
            pretraining.recipe = try Self.reduced(name.contains("vox") ? "large" : "base")
            _ = try Trainer(pretraining).run()
            job.from = corpus.file("pretrained/last")
        }
        #expect(try Trainer(job).run() == .finished)
        let lines = try corpus.metrics("run")
        let losses = lines.filter { $0["kind"] as? String == "train" }.compactMap { $0["loss"] as? Double }
        #expect(losses.count == 2 && losses.allSatisfy(\.isFinite))
        let best = finetunes ? "wer" : "loss"
        #expect(lines.contains { $0["kind"] as? String == "valid" && $0[best] is NSNumber })
    }
}
