import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VTorch

@testable import W2VTraining

/// A run's functions besides computing: pausing, dry runs, dividing its updates, refusing.
@Suite(.onTestThreads, .serialized) struct RunTests {
    init() {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
    }

    private static let plain = [
        "model.dropout=0", "model.attention_dropout=0", "model.dropout_input=0", "model.dropout_features=0",
        "model.encoder_layerdrop=0", "batching.crop=none",
    ]

    @Test func anotherDivisionOfUpdatesGoesOnWithTheSameData() throws {
        let corpus = try SyntheticCorpus()
        _ = try Trainer(corpus.job(.pretraining, "straight", Self.plain)).run()
        var job = try corpus.job(.pretraining, "moved", Self.plain)
        // Polled after each of an update's two micro-batches.
        var asked = 0
        _ = try Trainer(job).run {
            asked += 1
            return asked == 4 ? SIGTERM : nil
        }
        #expect(try TrainingState.read(corpus.file("moved/last")).update == 2)
        job.resume = true
        job.recipe.batching.numConcatBatches = 1
        job.recipe.optimization.updateFreq = 4
        let log = CapturedLog()
        #expect(try Trainer(job, logger: log.logger()).run() == .finished)
        #expect(!log.lines.contains { $0.contains("an update had") })
        #expect(log.lines.contains { $0.hasPrefix("optimization.update_freq 2 → 4; ") }, "\(log.lines)")
        let (one, two) = (
            try TrainingState.read(corpus.file("straight/last")), try TrainingState.read(corpus.file("moved/last"))
        )
        #expect(one.epoch == two.epoch && one.position == two.position)
        let (first, second) = (
            try TensorFile.read(corpus.file("straight/last/model.safetensors")),
            try TensorFile.read(corpus.file("moved/last/model.safetensors"))
        )
        for (name, tensor) in first where !name.hasSuffix("k_proj.bias") {
            let other = try #require(second[name])
            let difference = try (tensor - other).magnitude().reshaped([-1]).maximum(0).item()
            #expect(difference <= 2e-4, "\(name): \(difference)")
        }
        // A smaller update is a different training: allowed, and reported.
        job.recipe.optimization.updateFreq = 2
        job.recipe.optimization.maxUpdate = 7
        #expect(try Trainer(job, logger: log.logger()).run() == .finished)
        #expect(log.lines.contains { $0.contains("had 4 sub-batches until now and has 2") })
        job.effectiveBatch = 4
        job.recipe.optimization.maxUpdate = 8
        #expect(try Trainer(job).recipe.optimization.updateFreq == 4)
        job.recipe.batching.numConcatBatches = 3
        #expect(try Trainer(job).recipe.batching.numConcatBatches == 2)
    }

    @Test func aSecondProcessIsKeptOutOfTheFolder() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        var job = try corpus.job(.pretraining, "run", ["optimization.max_update=1"])
        let first = try Trainer(job)
        job.resume = true
        do {
            _ = try Trainer(job)
            Issue.record("two trainers share a folder")
        } catch let error as TrainingError {
            #expect(error == .folderInUse(folder: job.output.path) && error.kind == .failure)
        }
        #expect(try first.run() == .finished)
    }

    @Test func epochsOfThisJobPauseTheRunWithoutChangingIt() throws {
        let corpus = try SyntheticCorpus()
        #expect(try Trainer(corpus.job(.pretraining, "straight")).run() == .finished)
        var job = try corpus.job(.pretraining, "broken", ["checkpoint.save_every=100"])
        job.epochsThisJob = 1
        #expect(try Trainer(job).run() == .paused)
        let state = try TrainingState.read(corpus.file("broken/last"))
        #expect(state.epoch == 1 && state.position == 0 && !state.finished)
        job.resume = true
        var outcomes: [TrainingOutcome] = []
        while outcomes.last != .finished, outcomes.count < 10 { outcomes.append(try Trainer(job).run()) }
        #expect(outcomes.dropLast().allSatisfy { $0 == .paused } && outcomes.last == .finished)
        for file in ["model.safetensors", "optimizer.safetensors"] {
            #expect(try corpus.bytes("broken")[file] == corpus.bytes("straight")[file])
        }
    }

    @Test func aDryRunTellsAllAndWritesNothing() throws {
        let corpus = try SyntheticCorpus()
        var job = try corpus.job(
            .pretraining, "dry", ["checkpoint.keep_milestones=2 updates", "checkpoint.keep_last_checkpoints=3"])
        job.isDryRun = true
        let report = try Trainer(job).dryRun()
        #expect(!FileManager.default.fileExists(atPath: corpus.file("dry").path))
        #expect(report.remainingUpdates == 6 && report.effectiveBatch == 4 && report.utterances == 10)
        #expect(report.secondsToFinish > report.secondsPerUpdate && report.peakRssMb > 10)
        #expect(report.loss.isFinite && report.text.contains("dry run"))
        // Exactly the size of a run.
        job.isDryRun = false
        _ = try Trainer(job).run()
        let bytes = try corpus.bytes("dry").values.reduce(0) { $0 + $1.count }
        let megabytes = Double(bytes) / Double(1 << 20)
        #expect(abs(report.checkpointMb - megabytes) < 0.01 * megabytes)
        #expect(report.weightsMb < report.checkpointMb / 2)
        // Two of last, two more of the newest, three milestones, and best twice.
        #expect(abs(report.diskNeededMb - 7 * report.checkpointMb - 2 * report.weightsMb) < 1e-6)
        // It refuses the same as a run, and examines a run without changing it.
        job.isDryRun = true
        #expect(throws: TrainingError.self) { try Trainer(job) }
        job.resume = true
        job.recipe.optimization.maxUpdate = 9
        let before = try corpus.bytes("dry")
        #expect(try Trainer(job).dryRun().remainingUpdates == 3)
        #expect(try corpus.bytes("dry") == before)
    }

    @Test func aSmallOrEmptyValidationSetIsUsedOrRefused() throws {
        let corpus = try SyntheticCorpus()
        let manifest = try String(contentsOf: corpus.file("valid.tsv"), encoding: .utf8).split(separator: "\n")
        try Data((manifest.prefix(2).joined(separator: "\n") + "\n").utf8).write(to: corpus.file("one.tsv"))
        try Data("a b |\n".utf8).write(to: corpus.file("one.ltr"))
        for task in [TrainingJob.Kind.pretraining, .finetuning] {
            var job = try corpus.job(task, "one-\(task.rawValue)", ["optimization.max_update=1"])
            job.valid = [WeightedManifest(corpus.file("one.tsv"))]
            #expect(try Trainer(job).run() == .finished)
            let valid = try corpus.metrics("one-\(task.rawValue)").filter { $0["kind"] as? String == "valid" }
            #expect(valid.count == 1 && valid[0]["utterances"] as? Int == 1)
        }
        var job = try corpus.job(.pretraining, "none", ["data.min_sample_size=40000"])
        do {
            _ = try Trainer(job)
            Issue.record("training began with nothing to learn from")
        } catch {
            #expect("\(error)".contains("40000"))
        }
        // Long enough to learn from, too short to validate.
        try Data((manifest[0] + "\nvalid10.wav\t300\n").utf8).write(to: corpus.file("short.tsv"))
        job = try corpus.job(.pretraining, "short")
        job.valid = [WeightedManifest(corpus.file("short.tsv"))]
        do {
            _ = try Trainer(job)
            Issue.record("an empty validation set was accepted")
        } catch TrainingError.nothingToValidate(let list, _) {
            #expect(list == corpus.file("short.tsv").path)
        }
    }

    @Test func logsHoldRatesCodesAndWarnings() throws {
        let corpus = try SyntheticCorpus()
        let job = try corpus.job(
            .pretraining, "run",
            [
                "logging.utilisation=true", "logging.histogram_every=2", "watch.patience=1",
                "watch.code_perplexity=0.99",
                "optimization.warmup_updates=1",
            ])
        let log = CapturedLog()
        var live: [String] = []
        _ = try Trainer(job, logger: log.logger(), progress: { line, _ in live.append(line) }).run()
        #expect(live.count == 6 && live[5].contains("update 6/6") && live[0].contains("ETA"))
        #expect(
            log.lines.contains { $0.contains("GFLOP/s") }
                && log.lines.contains { $0.contains("an update takes 1 process") })
        let metrics = try corpus.metrics("run")
        let train = metrics.filter { $0["kind"] as? String == "train" }
        for record in train {
            let utilisation = try #require(record["utilisation"] as? Double)
            #expect(utilisation > 0 && utilisation < 1)
            #expect(try #require(record["eta_seconds"] as? Double) >= 0)
        }
        #expect(train.last?["eta_seconds"] as? Double == 0)
        let valid = metrics.filter { $0["kind"] as? String == "valid" }
        #expect(try valid.allSatisfy { (1...16).contains(try #require($0["codes_used"] as? Int)) })
        let warnings = metrics.filter { $0["kind"] as? String == "warning" }
        #expect(warnings.first?["topic"] as? String == "collapsed_code_books")
        // A program reads in the log the same as in the file.
        let logged = log.entries.filter { "\($0.message)".hasPrefix("update ") && $0.metadata["kind"] == "train" }
        #expect(logged.count == train.count)
        for (entry, record) in zip(logged, train) {
            #expect(entry.level == .info && Set(entry.metadata.keys) == Set(record.keys))
            #expect(entry.metadata["loss"]?.description == (record["loss"] as? Double)?.description)
        }
        #expect(log.entries.contains { $0.level == .warning && $0.metadata["topic"] == "collapsed_code_books" })
        #expect(log.warnings.contains { $0.hasPrefix("update") && $0.contains("collapsing") })
        let benchmark = try #require(metrics.last)
        #expect(benchmark["kind"] as? String == "benchmark")
        #expect(try #require(benchmark["updates"] as? Int) > 0)
        for series in ["train", "valid"] {
            let folder = corpus.file("run/tensorboard/\(series)")
            let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(files.count == 1 && files[0].hasPrefix("events.out.tfevents."))
            let bytes = try Data(contentsOf: folder.appendingPathComponent(files[0]))
            for tag in series == "train" ? ["loss", "speed/utilisation", "gradient_norms"] : ["code_use/group_1"] {
                #expect(bytes.range(of: Data(tag.utf8)) != nil, "\(tag)")
            }
        }
    }

    /// The folder alone says what happened, and what to do next.
    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning])
    func aRunEndsWithItsBest(_ task: TrainingJob.Kind) throws {
        let corpus = try SyntheticCorpus()
        let log = CapturedLog()
        _ = try Trainer(corpus.job(task, "run"), logger: log.logger()).run()
        let best = try #require(log.lines.first { $0.hasPrefix("best: ") })
        #expect(
            best.contains(task == .pretraining ? "best: loss " : "best: WER ") && best.hasSuffix("run/best"), "\(best)")
        #expect(
            log.lines.last
                == (task == .pretraining ? "next: fine-tune it" : "next: evaluate it on recordings of a test set"))
        let kept = try String(contentsOf: corpus.file("run/log.txt"), encoding: .utf8).split(separator: "\n")
        #expect(kept.count == log.lines.count)
        for (line, message) in zip(kept, log.lines) {
            #expect(line.hasPrefix("20") && line.hasSuffix(message) && line.contains("Z  "), "\(line)")
        }
        let folder = corpus.file("run/tensorboard")
        let root = try FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0.hasPrefix("events") }
        let session = try Data(contentsOf: folder.appendingPathComponent(#require(root)))
        for text in ["_hparams_/session_start_info", "optimization.lr"] {
            #expect(session.range(of: Data(text.utf8)) != nil)
        }
        let valid = folder.appendingPathComponent("valid")
        let events = try FileManager.default.contentsOfDirectory(atPath: valid.path)
        let bytes = try Data(contentsOf: valid.appendingPathComponent(#require(events.first)))
        #expect((bytes.range(of: Data("reference:".utf8)) != nil) == (task == .finetuning))
    }

    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning])
    func averagedWeightsAreValidatedBesideTheRawOnes(_ task: TrainingJob.Kind) throws {
        let corpus = try SyntheticCorpus()
        let log = CapturedLog()
        var job = try corpus.job(task, "run", ["optimization.ema=0.5"])
        job.valid.append(WeightedManifest(corpus.file("train.tsv")))
        _ = try Trainer(job, logger: log.logger()).run()
        let records = try corpus.metrics("run").filter { ($0["kind"] as? String)?.hasPrefix("valid") == true }
        #expect(
            records.compactMap { $0["kind"] as? String }
                == ["valid", "valid_ema", "valid", "valid_ema", "valid", "valid_ema", "valid", "valid_ema"])
        for pair in stride(from: 0, to: records.count, by: 2) {
            #expect(records[pair]["loss"] as? Double != records[pair + 1]["loss"] as? Double)
            #expect(records[pair + 1]["best"] as? Bool == false)
            #expect((records[pair + 1]["uer"] is NSNumber) == (task == .finetuning))
        }
        #expect(log.lines.contains { $0.contains("of averaged weights") })
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: corpus.file("run/tensorboard").path).sorted()
                .filter { !$0.hasPrefix("events.out.tfevents.") } == [
                    "ema", "ema-train", "train", "valid", "valid-train",
                ])
    }

    @Test func aSetWithoutWordsCannotChooseTheBest() throws {
        let corpus = try SyntheticCorpus()
        let manifest = try String(contentsOf: corpus.file("valid.tsv"), encoding: .utf8).split(separator: "\n")
        try Data((manifest.prefix(2).joined(separator: "\n") + "\n").utf8).write(to: corpus.file("empty.tsv"))
        try Data("|\n".utf8).write(to: corpus.file("empty.ltr"))
        var job = try corpus.job(.finetuning, "run", ["optimization.max_update=1"])
        job.valid = [WeightedManifest(corpus.file("empty.tsv"))]
        let log = CapturedLog()
        _ = try Trainer(job, logger: log.logger()).run()
        #expect(log.warnings.contains { $0.contains("cannot choose the best checkpoint") })
        let validation = try #require(log.lines.first { $0.hasPrefix("validation after") })
        #expect(validation.contains("no words") && !validation.contains("accuracy"), "\(log.lines)")
        #expect(!FileManager.default.fileExists(atPath: corpus.file("run/best").path))
    }

    @Test(arguments: [
        ("100000", "[100000]"), ("[100, 200]", "[100, 200]"), ("50 updates", "50 updates"), ("2 epochs", "2 epochs"),
    ])
    func milestonesAreReadAsTheyAreWritten(_ text: String, _ written: String) throws {
        let milestones = try Milestones(settingText: text)
        #expect(milestones.settingText == written)
        #expect(try Milestones(settingText: written) == milestones)
    }

    @Test(arguments: ["0", "[]", "10 minutes", "many", "[1.5]", "-3 epochs"])
    func otherMilestonesAreRefused(_ text: String) {
        #expect(throws: (any Error).self) { try Milestones(settingText: text) }
    }
}
