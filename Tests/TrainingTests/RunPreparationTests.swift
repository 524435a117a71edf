import Foundation
import TestSupport
import Testing

@testable import W2VTraining

/// The steps before a model is built, one by one.
@Suite(.onTestThreads) struct RunPreparationTests {
    @Test func anEffectiveBatchChoosesTheDivisionOfUpdates() throws {
        let corpus = try SyntheticCorpus()
        var job = try corpus.job(.pretraining, "run", ["batching.num_concat_batches=4"])
        job.effectiveBatch = 12
        let log = CapturedLog()
        let run = try ResolvedRun(job, resuming: nil, processes: 2, logger: log.logger())
        #expect(run.recipe.batching.numConcatBatches == 3 && run.recipe.optimization.updateFreq == 2)
        #expect(run.batch.count == 12 && run.origin == nil)
        #expect(
            log.lines.count == 1 && log.lines.first?.hasPrefix("batching.num_concat_batches is 3 in place of 4") == true
        )
        #expect(run.job.recipe == job.recipe, "what is asked for stays")
        job.effectiveBatch = 7
        #expect(throws: TrainingError.self) {
            try ResolvedRun(job, resuming: nil, processes: 2, logger: log.logger())
        }
    }

    @Test func anotherTasksRecipeIsNoticed() throws {
        let corpus = try SyntheticCorpus()
        var job = try corpus.job(.finetuning, "run", ["optimization.record_steps=true"])
        job.intendedKind = .pretraining
        let log = CapturedLog()
        _ = try ResolvedRun(job, resuming: nil, processes: 1, logger: log.logger())
        #expect(log.lines.count == 2 && log.warnings == log.lines)
        #expect(log.lines.first?.contains("seems to be one for pretraining") == true)
    }

    /// A missing folder is not created; a second process is kept out of a folder in use.
    @Test func onlyARunThatWritesLocksItsFolder() throws {
        let corpus = try SyntheticCorpus()
        var job = try corpus.job(.pretraining, "run")
        job.isDryRun = true
        let dry = try RunPlace.claim(for: job, among: nil)
        #expect(dry.lock == nil && dry.lastState == nil)
        #expect(!FileManager.default.fileExists(atPath: job.output.path))
        job.isDryRun = false
        let place = try RunPlace.claim(for: job, among: nil)
        withExtendedLifetime(place) {
            #expect(place.lastState == nil)
            job.resume = true
            #expect(throws: TrainingError.self) { try RunPlace.claim(for: job, among: nil) }
        }
    }

    /// The saved run determines a resumed job's settings, and a state keeps what the next job needs.
    @Test func aResumedRunGoesByItsState() throws {
        let corpus = try SyntheticCorpus()
        var job = try corpus.job(.pretraining, "run", ["optimization.max_update=1"])
        _ = try Trainer(job).run()
        job.resume = true
        job.writtenRecipe = job.recipe
        job.recipe.optimization.updateFreq = 1
        let place = try RunPlace.claim(for: job, among: nil)
        #expect(place.lastState == corpus.file("run/last"))
        let saved = try #require(try SavedRun.read(from: place, for: job))
        let log = CapturedLog()
        let run = try ResolvedRun(job, resuming: saved, processes: 1, logger: log.logger())
        #expect(run.recipe.optimization.updateFreq == 2, "it was not assigned")
        let manifests = try RunManifests(for: run, isResumed: true, among: nil)
        let start = try StartingState(of: run, resuming: saved, on: manifests, logger: log.logger())
        #expect(start.state.update == 1 && start.state.effectiveBatch == 4)
        #expect(log.lines.contains { $0.hasPrefix("this run keeps") && $0.contains("optimization.update_freq=2") })
        job.kind = .finetuning
        #expect(throws: TrainingError.self) { try SavedRun.read(from: place, for: job) }
    }
}
