import Foundation
import Synchronization
import TestSupport
import Testing
import W2VBackbone
import W2VInterchange
import W2VTorch

@testable import W2VTraining

@Suite(.onTestThreads, .serialized) struct CheckpointKeepingTests {
    init() {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
    }

    private func folders(_ corpus: SyntheticCorpus, _ output: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: corpus.file(output).path)
            .filter { $0.hasPrefix("update-") || $0.hasPrefix(".") }.sorted()
    }

    @Test func theNewestAndTheMilestonesStay() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        let job = try corpus.job(
            .pretraining, "run",
            ["checkpoint.keep_last_checkpoints=2", "checkpoint.keep_milestones=[1, 3]", "validation.every=off"])
        #expect(try Trainer(job).run() == .finished)
        #expect(try folders(corpus, "run") == ["update-1", "update-3", "update-5", "update-6"])
        for update in [1, 3, 5, 6] {
            #expect(try TrainingState.read(corpus.file("run/update-\(update)")).update == update)
        }
        #expect(try corpus.bytes("run") == corpus.bytes("run", "update-6"))
        #expect(try TrainingState.read(corpus.file("run/last")).finished)
        #expect(
            try newestStates(of: corpus.file("run"), count: 2).map(\.lastPathComponent) == ["update-6", "update-5"])
        #expect(throws: TrainingError.self) { try newestStates(of: corpus.file("run"), count: 5) }
        // A run that is resumed with fewer checkpoints to keep removes the rest.
        var less = try corpus.job(.pretraining, "run", ["checkpoint.keep_milestones=3 updates"])
        less.resume = true
        #expect(try Trainer(less).run() == .finished)
        #expect(try folders(corpus, "run") == ["update-3", "update-6"])
    }

    @Test func whatIsBeingWrittenDoesNotChange() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        let trainer = try Trainer(corpus.job(.pretraining, "run", ["optimization.max_update=1"]))
        let group = trainer.task.groups[0]
        let before = try group.parameters.values.elements(Float.self)
        let (copied, live) = (
            try trainer.trainStep.weights(copying: true), try trainer.trainStep.weights(copying: false)
        )
        try group.parameters.values.fillInPlace(7)
        let name = try #require(group.parameters.names.first)
        let shape = try #require(group.parameters.leaves.first).shape
        for (weights, first) in [(copied, before[0]), (live, 7)] {
            let tensor = try #require(weights.learning[0].named(over: nil, tag: 0)[name])
            #expect(try tensor.shape == shape && tensor.elements(Float.self)[0] == first)
        }
    }

    @Test func savingInTheForegroundSavesTheSame() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        for (output, isAsynchronous) in [("behind", true), ("before", false)] {
            let job = try corpus.job(
                .pretraining, output,
                ["optimization.max_update=2", "checkpoint.write_checkpoints_asynchronously=\(isAsynchronous)"])
            #expect(try Trainer(job).run() == .finished)
        }
        for (name, bytes) in try corpus.bytes("behind") where name != "training_state.json" {
            #expect(try corpus.bytes("before")[name] == bytes, "\(name)")
        }
    }

    @Test func writingStopsAtTheFirstFailure() throws {
        struct Full: Error {}
        let writer = BackgroundWriter()
        let mayGoOn = DispatchSemaphore(value: 0)
        let written = Mutex<[Int]>([])
        writer.write {
            mayGoOn.wait()
            written.withLock { $0.append(1) }
            return ["one could not be removed"]
        }
        #expect(try writer.takeWarnings().isEmpty && written.withLock { $0.isEmpty })
        mayGoOn.signal()
        writer.wait()
        #expect(try writer.takeWarnings() == ["one could not be removed"] && writer.takeWarnings().isEmpty)
        writer.write { throw Full() }
        writer.write {
            written.withLock { $0.append(3) }
            return []
        }
        writer.wait()
        #expect(throws: Full.self) { try writer.takeWarnings() }
        #expect(written.withLock { $0 } == [1])
    }

    @Test func milestonesAreSavedWhenNothingElseIs() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        // Five utterances make two updates per epoch.
        let job = try corpus.job(
            .pretraining, "run",
            ["checkpoint.save_every=100", "checkpoint.keep_milestones=1 epochs", "validation.every=off"])
        #expect(try Trainer(job).run() == .finished)
        for folder in try folders(corpus, "run") {
            #expect(try TrainingState.read(corpus.file("run/\(folder)")).position == 0)
        }
        #expect(try folders(corpus, "run").count >= 2)
        // A new run can start from a milestone.
        var other = try corpus.job(.pretraining, "other")
        other.from = corpus.file("run/\(try folders(corpus, "run")[0])")
        #expect(try Trainer(other).run() == .finished)
    }

    @Test func aDamagedStateNamesAnOlderOne() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        var job = try corpus.job(
            .pretraining, "run", ["checkpoint.keep_last_checkpoints=2", "optimization.max_update=2"])
        _ = try Trainer(job).run()
        job.resume = true
        job.recipe.optimization.maxUpdate = 3
        // The newest kept state shares its files with the last one, so both are damaged.
        let weights = corpus.file("run/last/model.safetensors")
        let handle = try FileHandle(forWritingTo: weights)
        try handle.truncate(atOffset: 1_000)
        try handle.close()
        do {
            _ = try Trainer(job)
            Issue.record("half a checkpoint was resumed")
        } catch let error as TrainingError {
            #expect(error.advice == "remove last and rename it to last to resume from there")
        }
        try FileManager.default.removeItem(at: corpus.file("run/last"))
        try FileManager.default.removeItem(at: corpus.file("run/update-2"))
        try FileManager.default.moveItem(at: corpus.file("run/update-1"), to: corpus.file("run/last"))
        #expect(try Trainer(job).run() == .finished)
    }

    @Test func foldersThatAreNotOursAreLeftAlone() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        var job = try corpus.job(.pretraining, "run", ["optimization.max_update=1"])
        _ = try Trainer(job).run()
        let mine = corpus.file("run/update-7")
        try FileManager.default.createDirectory(at: mine, withIntermediateDirectories: false)
        try Data("notes".utf8).write(to: mine.appendingPathComponent("notes.txt"))
        job.recipe.optimization.maxUpdate = 2
        job.resume = true
        _ = try Trainer(job).run()
        #expect(try String(contentsOf: mine.appendingPathComponent("notes.txt"), encoding: .utf8) == "notes")
    }

    @Test func withNoSaveNothingIsSaved() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        let job = try corpus.job(.pretraining, "run", ["checkpoint.no_save=true", "checkpoint.keep_milestones=[2]"])
        let log = CapturedLog()
        #expect(try Trainer(job, logger: log.logger()).run { SIGINT } == .stopped(signal: SIGINT))
        #expect(log.lines.contains { $0.contains("nothing is saved") })
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: corpus.file("run").path).sorted()
                == [".begun", "log.txt", "metrics.jsonl", "recipe.yaml", "run.json", "tensorboard"])
        // Nothing of it can be lost.
        var again = job
        again.resume = true
        #expect(try Trainer(again).run() == .finished)
    }

    @Test func aRunWhoseLastStateIsGoneIsNotBegunAnew() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        var job = try corpus.job(
            .pretraining, "run", ["checkpoint.keep_last_checkpoints=3", "optimization.max_update=3"])
        _ = try Trainer(job).run()
        job.resume = true
        let folder = corpus.file("run")
        func names() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        }
        for (removed, expected) in [
            (["last"], "update-3 was kept; rename it to last"),
            (["update-1", "update-2", "update-3"], "best and metrics.jsonl of an earlier run"),
            (["best"], "no last/ to resume from, but metrics.jsonl"),
        ] {
            for name in removed { try FileManager.default.removeItem(at: folder.appendingPathComponent(name)) }
            let before = try (names(), Data(contentsOf: corpus.file("run/metrics.jsonl")))
            for isDryRun in [true, false] {
                job.isDryRun = isDryRun
                let error = try #require(throws: TrainingError.self) { try Trainer(job) }
                #expect("\(error)".contains(expected) && error.kind == .usage, "\(error)")
            }
            #expect(try names() == before.0 && Data(contentsOf: corpus.file("run/metrics.jsonl")) == before.1)
        }
        // A run may start in a folder without a run, or with one that was killed before it had saved anything.
        try FileManager.default.removeItem(at: folder)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        let recordings = try (0..<5).map { try Data(contentsOf: corpus.file("train\($0).wav")) }
        for (index, whole) in recordings.enumerated() {
            try whole.prefix(20).write(to: corpus.file("train\(index).wav"))
        }
        // The first update fails.
        #expect(throws: (any Error).self) { _ = try Trainer(job).run() }
        for (index, whole) in recordings.enumerated() { try whole.write(to: corpus.file("train\(index).wav")) }
        try Data("{\"update\":1}\n".utf8).write(to: corpus.file("run/metrics.jsonl"))
        #expect(try Trainer(job).run() == .finished)
        #expect(!FileManager.default.fileExists(atPath: corpus.file("run/.begun").path))
    }

    @Test func averagesAreOfAllWeightsAndOfLikeModelsOnly() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        let job = try corpus.job(
            .pretraining, "run", ["checkpoint.keep_last_checkpoints=3", "optimization.max_update=3"])
        _ = try Trainer(job).run()
        let checkpoints = try (1...3).map { try Checkpoint.read(corpus.file("run/update-\($0)")) }
        let average = try Checkpoint.average(checkpoints)
        #expect(Set(average.keys) == Set(checkpoints[0].state.keys))
        for (name, tensor) in average {
            let parts = try checkpoints.map { try #require($0.state[name]).elements(Float.self) }
            let expected = parts[0].indices.map { index in
                Float(parts.reduce(0.0) { $0 + Double($1[index]) } / 3)
            }
            #expect(try tensor.elements(Float.self) == expected, "\(name)")
        }
        // It can be loaded like any other.
        let folder = corpus.file("average")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Checkpoint.write(checkpoints[0].description, state: average, to: folder)
        _ = try Checkpoint.read(folder).pretrainingModel()

        let other = try corpus.job(.pretraining, "other", ["optimization.max_update=1", "model.encoder_layers=1"])
        _ = try Trainer(other).run()
        do {
            _ = try Checkpoint.average([checkpoints[0], Checkpoint.read(corpus.file("other/last"))])
            Issue.record("models of different depth were averaged")
        } catch {
            #expect("\(error)".contains("encoder_layers is 1") && "\(error)".contains("cannot be averaged"))
        }
    }
}
