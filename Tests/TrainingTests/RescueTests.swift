import Foundation
import TestSupport
import Testing
import W2VInterchange
import W2VTorch

@testable import W2VTraining

/// The state that remains when a run ends for a reason other than its model.
@Suite(.onTestThreads, .serialized) struct RescueTests {
    init() {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
    }

    /// Truncates a recording; returns a function that restores it.
    private func damage(_ url: URL) throws -> () throws -> Void {
        let whole = try Data(contentsOf: url)
        try whole.prefix(20).write(to: url)
        return { try whole.write(to: url) }
    }

    /// A log without times; the final speed covers only the last job.
    private func comparable(_ corpus: SyntheticCorpus, _ output: String) throws -> [[String]] {
        try corpus.metrics(output).filter { $0["kind"] as? String != "benchmark" }.map { line in
            line.filter { !$0.key.contains("second") && $0.key != "data_wait_share" && $0.key != "peak_rss_mb" }
                .map { "\($0.key)=\($0.value)" }.sorted()
        }
    }

    private func expectSame(_ corpus: SyntheticCorpus, _ one: String, _ other: String) throws {
        for folder in ["last", "best"] {
            #expect(try corpus.bytes(one, folder) == corpus.bytes(other, folder), "\(folder)")
        }
        #expect(try comparable(corpus, one) == comparable(corpus, other))
    }

    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning], [3, 6])
    func aDamagedHeldOutRecordingCostsNothing(_ task: TrainingJob.Kind, every: Int) throws {
        let corpus = try SyntheticCorpus()
        try FileManager.default.copyItem(at: corpus.file("valid11.wav"), to: corpus.file("other.wav"))
        try Data("\(corpus.folder.path)\nother.wav\t\(16_000 + 3 * 1_600)\n".utf8).write(to: corpus.file("other.tsv"))
        try Data("a b |\n".utf8).write(to: corpus.file("other.ltr"))
        func job(_ output: String) throws -> TrainingJob {
            var job = try corpus.job(
                task, output,
                ["checkpoint.save_every=100", "validation.every=\(every)", "checkpoint.keep_milestones=[3, 6]"])
            job.valid.append(WeightedManifest(corpus.file("other.tsv")))
            return job
        }
        #expect(try Trainer(job("straight")).run() == .finished)
        var broken = try job("broken")
        // The first set is measured and may be the best so far; the second one cannot be read.
        let mend = try damage(corpus.file("other.wav"))
        let log = CapturedLog()
        for _ in 0..<2 {
            #expect { try Trainer(broken, logger: log.logger()).run() } throws: { "\($0)".contains("other.wav") }
            broken.resume = true
        }
        #expect(log.lines.contains { $0.contains("saved after update \(every)") && $0.contains("resume the run") })
        let state = try TrainingState.read(corpus.file("broken/last"))
        #expect(state.update == every && state.pendingValidation != nil && !state.finished)
        try mend()
        #expect(try Trainer(broken).run() == .finished)
        try expectSame(corpus, "broken", "straight")
        #expect(try corpus.bytes("broken", "update-3") == corpus.bytes("straight", "update-3"))
    }

    @Test func recordingsThatAreDamagedDuringTrainingCostNothing() throws {
        let corpus = try SyntheticCorpus()
        let settings = ["checkpoint.save_every=100", "validation.every=off"]
        #expect(try Trainer(corpus.job(.pretraining, "straight", settings)).run() == .finished)
        var job = try corpus.job(.pretraining, "broken", settings)
        var mend: () throws -> Void = {}
        #expect {
            let trainer = try Trainer(job)
            var isWhole = true
            _ = try trainer.run {
                if trainer.state.update == 2, isWhole {
                    isWhole = false
                    mend = (try? damage(corpus.file("train4.wav"))) ?? {}
                }
                return nil
            }
        } throws: {
            "\($0)".contains("train4.wav")
        }
        let saved = try TrainingState.read(corpus.file("broken/last"))
        #expect(saved.update >= 2 && saved.update < 6 && saved.pendingValidation == nil)
        try mend()
        job.resume = true
        #expect(try Trainer(job).run() == .finished)
        try expectSame(corpus, "broken", "straight")
    }

    /// The model is the cause: the saved state is better than the present one.
    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning])
    func aModelThatDivergedIsNamedAndNotSaved(_ task: TrainingJob.Kind) throws {
        let corpus = try SyntheticCorpus()
        var job = try corpus.job(
            task, "run", ["optimization.max_update=2", "checkpoint.save_every=1", "validation.every=off"])
        _ = try Trainer(job).run()
        let before = try corpus.bytes("run")
        job.resume = true
        job.recipe.optimization.maxUpdate = 3
        let trainer = try Trainer(job)
        let error = try #require(throws: TrainingError.self) {
            _ = try trainer.run {
                // The effect of an enormous update, which gradients do not show.
                for group in trainer.task.groups { try? group.parameters.masters.fillInPlace(.nan) }
                for group in trainer.task.groups { try? group.parameters.values.fillInPlace(.nan) }
                return nil
            }
        }
        #expect(error.kind == .failure)
        switch error {
        case .notFinite(3, _, _), .modelDiverged(update: 3, _, _): break
        default: Issue.record("\(error)")
        }
        #expect(try corpus.bytes("run") == before)
    }
}
