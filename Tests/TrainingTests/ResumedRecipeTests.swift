import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VTorch

@testable import W2VTraining

/// The parts of its original recipe that a resumed run keeps, and its messages about the rest.
@Suite(.onTestThreads, .serialized) struct ResumedRecipeTests {
    private let corpus: SyntheticCorpus
    private let file: Recipe

    init() throws {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
        corpus = try SyntheticCorpus(utterances: 5)
        file = try SyntheticCorpus.recipe(["optimization.max_update=1000"])
    }

    /// A command with the recipe's file and values of its own, as the program makes a job of it.
    private func command(_ set: [String], file: Recipe? = nil, resume: Bool = false) throws -> TrainingJob {
        var job = try corpus.job(.pretraining, "run")
        job.writtenRecipe = file ?? self.file
        job.recipe = file ?? self.file
        try job.recipe.apply(set)
        job.assigned = Set(set.compactMap { $0.split(separator: "=").first.map(String.init) })
        job.resume = resume
        return job
    }

    private func log(_ job: TrainingJob) throws -> CapturedLog {
        let log = CapturedLog()
        _ = try Trainer(job, logger: log.logger()).run()
        return log
    }

    private func lines(_ job: TrainingJob) throws -> [String] { try log(job).lines }

    private var saved: TrainingState { get throws { try TrainingState.read(corpus.file("run/last")) } }

    @Test func whatIsNotGivenAgainIsKeptAndSaid() throws {
        _ = try lines(command(["optimization.max_update=2", "optimization.lr=0.002", "checkpoint.save_every=7"]))
        let told = try lines(command([], resume: true))
        #expect(
            told.contains {
                $0.hasPrefix("this run keeps") && $0.contains("optimization.max_update=2 (not 1000)")
                    && $0.contains("optimization.lr=0.002 (not 0.001)")
                    && $0.contains("checkpoint.save_every=7 updates")
            }, "\(told)")
        #expect(try saved.update == 2)
        let recipe = try Recipe.load(corpus.file("run/recipe.yaml").path)
        #expect(recipe.optimization.maxUpdate == 2 && recipe.optimization.learningRate.peak == 0.002)
        // The next one keeps them too, without messages if they are given again.
        #expect(try lines(command([], resume: true)).contains { $0.contains("optimization.max_update=2 (not 1000)") })
        let same = try command(
            ["optimization.max_update=2", "optimization.lr=0.002", "checkpoint.save_every=7"], resume: true)
        #expect(try !lines(same).contains { $0.contains("this run keeps") || $0.contains(" → ") })
    }

    @Test func moreUpdatesAreToldWithTheRateThatTheyChange() throws {
        _ = try lines(command(["optimization.max_update=3"]))
        let told = try log(command(["optimization.max_update=5"], resume: true))
        let line = try #require(
            told.warnings.first { $0.contains("optimization.max_update 3 → 5") })
        // Updates 3 and 4 have the policy's values at 2 and 3, with a warm-up of 2: the peak, and 2/3 of it.
        #expect(
            line.contains("was 0.001 in update 3 and is 0.0006667 in update 4"), "\(line)")
        #expect(try saved.update == 5)
        // Updates that are made cannot be taken back, others can.
        let fewer = refusal(try command(["optimization.max_update=4"], resume: true))
        #expect(fewer.kind == .usage && fewer.differences == ["optimization.max_update: 5 → 4"])
        var paused = try command(["optimization.max_update=900"], resume: true)
        paused.epochsThisJob = 1
        _ = try lines(paused)
        let made = try saved.update
        #expect(made < 900)
        let back = try log(command(["optimization.max_update=\(made + 1)"], resume: true))
        #expect(back.warnings.contains { $0.hasPrefix("optimization.max_update 900 → \(made + 1)") })
        #expect(back.warnings.contains { $0.hasSuffix("optimization.max_update=900 takes it back") })
        #expect(try saved.update == made + 1)
    }

    @Test func whatIsGivenBesideResumeCountsOrIsRefused() throws {
        _ = try lines(command(["optimization.max_update=2", "checkpoint.keep_last_checkpoints=2"]))
        let told = try lines(command(["checkpoint.keep_last_checkpoints=3", "watch.patience=9"], resume: true))
        #expect(told.contains { $0.hasPrefix("checkpoint.keep_last_checkpoints 2 → 3; ") }, "\(told)")
        #expect(told.contains { $0.hasPrefix("watch.patience ") && $0.contains(" → 9; ") })
        #expect(try Recipe.load(corpus.file("run/recipe.yaml").path).checkpoint.keepLastCheckpoints == 3)
        let other = refusal(try command(["optimization.lr=0.5"], resume: true))
        #expect(other.kind == .usage && other.differences == ["optimization.lr: 0.001 → 0.5"])
    }

    /// An edit of the file counts like an assignment; the other values are kept.
    @Test func anEditedFileCounts() throws {
        _ = try lines(command(["optimization.max_update=2", "logging.log_every=1"]))
        var edited = file
        try edited.apply(["validation.every=4", "logging.log_every=5"])
        let told = try lines(command([], file: edited, resume: true))
        #expect(told.contains { $0.hasPrefix("validation.every 3 updates → 4 updates; ") }, "\(told)")
        #expect(told.contains { $0.hasPrefix("logging.log_every 1 → 5; ") })
        #expect(told.contains { $0.contains("optimization.max_update=2 (not 1000)") })
        try edited.apply(["optimization.weight_decay=0.5"])
        #expect(
            refusal(try command([], file: edited, resume: true)).differences == [
                "optimization.weight_decay: 0.01 → 0.5"
            ])
    }

    /// For a state without the file's values, only assignments count.
    @Test func olderStatesKeepTheirValues() throws {
        _ = try lines(command(["optimization.max_update=2"]))
        let url = corpus.file("run/last/training_state.json")
        var state = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        for key in ["replaced", "train", "valid", "from"] { state[key] = nil }
        // A key that was added later has its default then.
        var recipe = try #require(state["recipe"] as? [String: String])
        recipe["optimization.lr_poly_power"] = nil
        state["recipe"] = recipe
        try JSONSerialization.data(withJSONObject: state).write(to: url)
        var edited = file
        try edited.apply(["optimization.lr=0.5"])
        let told = try lines(command([], file: edited, resume: true))
        #expect(told.contains { $0.contains("optimization.lr=0.001 (not 0.5)") }, "\(told)")
        #expect(try saved.update == 2 && saved.recipe["optimization.lr"] == "0.001")
    }

    @Test func theEffectiveBatchIsKept() throws {
        var job = try command(["optimization.max_update=2"])
        job.effectiveBatch = 3
        _ = try lines(job)
        #expect(try saved.effectiveBatch == 3)
        let told = try lines(command(["optimization.max_update=3"], resume: true))
        #expect(told.contains { $0.contains("an update keeps its 3 sub-batches") })
        #expect(told.contains { $0.contains("= 3 sub-batches") } && !told.contains { $0.contains("an update had") })
        #expect(try saved.effectiveBatch == 3)
        let changed = try lines(command(["optimization.max_update=4", "optimization.update_freq=1"], resume: true))
        #expect(changed.contains { $0.contains("an update had 3 sub-batches until now and has 2") }, "\(changed)")
        #expect(EffectiveBatch(file, processes: 2).keeping(3) == nil, "two processes cannot share it")
    }

    @Test func anotherDeviceRoundsInAnotherWay() {
        var state = TrainingState(recipe: [:], data: "")
        #expect(state.rounding(threads: 2) == nil, "an older version did not say where it computed")
        state.train = ["train.tsv"]
        #expect(state.rounding(threads: nil) == nil)
        #expect(state.rounding(threads: 2)?.contains("a GPU until now and uses a CPU") == true)
        state.threads = 2
        #expect(state.rounding(threads: 2) == nil)
        #expect(state.rounding(threads: nil)?.contains("a CPU until now and uses a GPU") == true)
        #expect(state.rounding(threads: 3)?.contains("2 threads until now") == true)
    }

    @Test func aFinishedRunIsTidiedWhenItIsResumed() throws {
        _ = try lines(
            command(["optimization.max_update=4", "checkpoint.save_every=1", "checkpoint.keep_last_checkpoints=2"]))
        let kept = {
            try FileManager.default.contentsOfDirectory(atPath: corpus.file("run").path).filter { $0.hasPrefix("up") }
        }
        #expect(try Set(kept()) == ["update-3", "update-4"])
        // The run was killed between the last save and the steps after it.
        let manager = FileManager.default
        try manager.removeItem(at: corpus.file("run/update-4"))
        try manager.copyItem(at: corpus.file("run/update-3"), to: corpus.file("run/update-2"))
        let state = corpus.file("run/update-2/training_state.json")
        let text = try String(contentsOf: state, encoding: .utf8)
        try Data(text.replacing("\"update\" : 3", with: "\"update\" : 2").utf8).write(to: state)
        _ = try lines(command([], resume: true))
        #expect(try Set(kept()) == ["update-3", "update-4"])
    }
}
