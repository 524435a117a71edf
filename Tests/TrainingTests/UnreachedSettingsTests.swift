import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VTraining

/// Phases and events that a run does not reach.
@Suite(.onTestThreads, .serialized) struct UnreachedSettingsTests {
    private func told(_ task: TrainingJob.Kind, updates: Int, epochs: Int = 100, _ set: [String]) throws -> [String] {
        var recipe = Recipe()
        try recipe.apply(
            [
                "optimization.max_update=\(updates)", "optimization.warmup_updates=1", "model.latent_temp=[2,0.5,0.9]",
                "logging.tensorboard=false",
            ] + set)
        return recipe.unreached(task, updates: updates, epochs: epochs)
    }

    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning])
    func nothingIsSaidWhereEverythingIsReached(_ task: TrainingJob.Kind) throws {
        #expect(try told(task, updates: 100, []) == [])
        for name in Recipe.builtInNames where !name.contains("benchmark") {
            let recipe = try Recipe.load(name)
            guard recipe.intendedKind(name) == task else { continue }
            let found = recipe.unreached(task, updates: recipe.optimization.maxUpdate, epochs: 300)
            #expect(found == [], "\(name)")
        }
    }

    @Test(arguments: [
        (
            TrainingJob.Kind.finetuning, "ctc.freeze_finetune_updates=100", "ctc.freeze_finetune_updates is 100",
            "stays frozen"
        ),
        (
            .pretraining, "model.latent_temp=[2,0.5,0.999995]", "model.latent_temp is [2, 0.5, 0.999995]",
            "never gets near 0.5"
        ),
        (
            .pretraining, "optimization.warmup_updates=100", "optimization.warmup_updates is 100",
            "only rises, to 0.000495"
        ),
        (.pretraining, "optimization.hold_updates=98", "hold_updates are 1 and 98", "never falls from 0.0005"),
        (.finetuning, "optimization.ema=0.9999", "optimization.ema is 0.9999", "99 % of the averaged weights"),
        (.finetuning, "validation.every=101", "validation.every is 101 updates", "once, at the end"),
        (.finetuning, "validation.every=101 epochs", "validation.every is 101 epochs", "once, at the end"),
        (.finetuning, "checkpoint.save_every=200", "checkpoint.save_every is 200 updates", "once, at the end"),
        (
            .finetuning, "checkpoint.keep_milestones=101 updates", "checkpoint.keep_milestones is",
            "no milestone is kept"
        ),
        (.finetuning, "checkpoint.keep_milestones=[50,150]", "checkpoint.keep_milestones has 150", "never saved"),
        (.finetuning, "logging.log_every=101", "logging.log_every is 101", "a single line"),
        (.pretraining, "watch.patience=101", "watch.patience is 101", "reported"),
    ])
    func eachIsSaidOnce(_ task: TrainingJob.Kind, _ assignment: String, _ key: String, _ meaning: String) throws {
        let found = try told(task, updates: 100, [assignment])
        #expect(found.count == 1 && found.allSatisfy { $0.contains(key) && $0.contains(meaning) }, "\(found)")
        #expect(found.allSatisfy { $0.contains("the run ends after update 100") })
    }

    @Test func onesThatAreJustReachedAreNotSaid() throws {
        #expect(
            try told(
                .finetuning, updates: 100,
                [
                    "ctc.freeze_finetune_updates=99", "optimization.warmup_updates=98", "validation.every=100",
                    "checkpoint.save_every=100", "checkpoint.keep_milestones=[100]", "logging.log_every=100",
                ]) == [])
        // Settings of the other task are not reported, nor defaults that are harmless in short runs.
        #expect(
            try told(.pretraining, updates: 5, ["ctc.freeze_finetune_updates=9", "model.latent_temp=[1,1,1]"]) == [])
        #expect(try told(.finetuning, updates: 100, ["model.latent_temp=[2,0.5,0.999995]"]) == [])
    }

    @Test func aRateOfZeroIsSaid() throws {
        let found = try told(.finetuning, updates: 100, ["optimization.lr=0", "validation.every=100"])
        #expect(found == ["optimization.lr is 0: no weight learns anything"])
    }

    @Test func aScheduleThatEpochsBreakOffIsSaid() throws {
        var recipe = Recipe()
        try recipe.apply([
            "optimization.max_update=1000", "optimization.warmup_updates=10", "optimization.max_epoch=3",
            "model.latent_temp=[2,0.5,0.9]", "logging.tensorboard=false",
        ])
        let found = recipe.unreached(.pretraining, updates: 100, epochs: 3)
        #expect(found.count == 1 && found[0].contains("optimization.max_update is 1000"), "\(found)")
        #expect(found[0].contains("optimization.max_epoch says"))
        try recipe.apply([
            "optimization.schedule=exponential", "optimization.final_lr_scale=0.01", "optimization.lr_exp_decay=0.999",
        ])
        let exponential = recipe.unreached(.pretraining, updates: 1000, epochs: 3)
        #expect(
            exponential.count == 1 && exponential[0].contains("optimization.lr_exp_decay is 0.999"), "\(exponential)")
    }

    @Test func aRunSaysThemBeforeItsFirstUpdate() throws {
        LibTorch.threads = 1
        let corpus = try SyntheticCorpus(utterances: 4)
        let log = CapturedLog()
        let job = try corpus.job(.finetuning, "run", ["ctc.freeze_finetune_updates=9", "optimization.max_epoch=1"])
        _ = try Trainer(job, logger: log.logger()).run()
        let told = try #require(
            log.lines.firstIndex {
                $0.hasPrefix("ctc.freeze_finetune_updates is 9, and the run ends after update 1:")
            })
        #expect(log.entries[told].level == .warning)
        #expect(told < log.lines.firstIndex { $0.hasPrefix("update ") } ?? log.lines.count)
    }
}
