import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VCorpus
import W2VTorch

@testable import W2VTraining

/// Changes with which a run may be resumed, and those that are reported or refused.
@Suite(.onTestThreads, .serialized) struct ResumeTests {
    private let corpus: SyntheticCorpus

    init() throws {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
        corpus = try SyntheticCorpus(utterances: 5)
    }

    private func log(_ job: TrainingJob) throws -> CapturedLog {
        let log = CapturedLog()
        _ = try Trainer(job, logger: log.logger()).run()
        return log
    }

    private func lines(_ job: TrainingJob) throws -> [String] { try log(job).lines }

    /// Makes a finished run of two updates to resume.
    private func begin(
        _ task: TrainingJob.Kind = .pretraining, _ output: String = "run", from: String? = nil,
        _ assignments: [String] = []
    ) throws -> TrainingJob {
        var job = try corpus.job(task, output, ["optimization.max_update=2"] + assignments)
        job.from = from.map(corpus.file)
        _ = try Trainer(job).run()
        job.resume = true
        return job
    }

    @Test func anotherArchitectureOrScaleIsRefused() throws {
        var job = try begin()
        job.recipe.model.encoderLayers = 3
        #expect(refusal(job).differences == ["model.encoder_layers: 2 → 3"] && refusal(job).kind == .usage)
        job.recipe.model.encoderLayers = 2
        job.recipe.data.normalize = true
        #expect(refusal(job).differences == ["data.normalize: false → true"])
    }

    /// The recipe of a fine-tuning may have another architecture than its checkpoint, and be given again.
    @Test func whatTheCheckpointOverrodeMayBeAskedForAgain() throws {
        _ = try begin()
        var job = try begin(.finetuning, "fine", from: "run/best", ["model.encoder_layers=7"])
        #expect(try TrainingState.read(corpus.file("fine/last")).overridden == ["model.encoder_layers": "7"])
        job.recipe.optimization.maxUpdate = 3
        #expect(refusal(job).error == nil)
        job.recipe.model.encoderLayers = 6
        #expect(refusal(job).differences == ["model.encoder_layers: 7 → 6"])
        // A state of an older version does not record the requested values.
        try rewriteState("fine") { $0["overridden"] = nil }
        #expect(refusal(job).error == nil)
    }

    @Test func valuesThatTheCheckpointOverridesAreTold() throws {
        _ = try begin()
        var job = try corpus.job(.pretraining, "more", ["optimization.max_update=1", "model.encoder_layers=9"])
        job.from = corpus.file("run/last")
        job.assigned = ["model.encoder_layers", "optimization.max_update"]
        let warnings = try log(job).warnings.filter { $0.hasPrefix("model.encoder_layers=9 has no effect") }
        #expect(warnings.count == 1 && warnings[0].contains("run/last, where it is 2"))
    }

    private func rewriteState(_ output: String, _ change: (inout [String: Any]) -> Void) throws {
        let url = corpus.file("\(output)/last/training_state.json")
        var state = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
        change(&state)
        try JSONSerialization.data(withJSONObject: state).write(to: url)
    }

    /// Rewrites the training list's lines after the first.
    private func rewrite(_ name: String, _ change: ([Substring]) -> [Substring]) throws {
        let lines = try String(contentsOf: corpus.file(name), encoding: .utf8).split(separator: "\n")
        let isList = name.hasSuffix("tsv")
        let changed = (isList ? [lines[0]] : []) + change(Array(lines.dropFirst(isList ? 1 : 0)))
        try Data((changed.joined(separator: "\n") + "\n").utf8).write(to: corpus.file(name))
    }

    @Test func dataAreKnownByWhatTheyAre() throws {
        var job = try begin()
        // Under another name, and in another folder.
        let other = corpus.file("other.tsv")
        try FileManager.default.createSymbolicLink(at: other, withDestinationURL: corpus.file("train.tsv"))
        let usual = job.train
        job.train = [WeightedManifest(other)]
        #expect(refusal(job).error == nil)
        job.train[0].weight = 2
        #expect(refusal(job).dataChange != nil)
        job.train = usual
        try rewrite("train.tsv") { $0.reversed() }
        // Equally many utterances with equally many samples.
        #expect(refusal(job).dataChange.map { $0.then == $0.now } == true && refusal(job).kind == .usage)
        // A state of an older version records only name, count and length.
        try rewriteState("run") { $0["data_identity"] = nil }
        #expect(refusal(job).error == nil)
    }

    @Test func transcriptsBelongToTheDataOfFinetuning() throws {
        let job = try begin(.finetuning, "fine")
        #expect(refusal(job).error == nil)
        try rewrite("train.ltr") { ["c c c |"] + $0.dropFirst() }
        #expect(refusal(job).dataChange.map { $0.then == $0.now } == true)
    }

    @Test func identitiesAreTheSameOnEveryMachine() throws {
        func identity(_ paths: [String], _ counts: [Int], _ labels: [String]? = nil) throws -> String {
            DataIdentity(
                try Manifest(root: URL(fileURLWithPath: "/x"), paths: paths, sampleCounts: counts, labels: labels)
            ).text
        }
        let first = try identity(["a.wav", "b.wav"], [1_000, 2_000])
        // Made by another program.
        #expect(first == "549ae2458de56fbb")
        #expect(try first != identity(["b.wav", "a.wav"], [2_000, 1_000]))
        #expect(try first != identity(["a.wav", "b.wav"], [1_000, 2_001]))
        #expect(try first != identity(["a.wavb", ".wav"], [1_000, 2_000]))
        #expect(try first != identity(["a.wav", "b.wav"], [1_000, 2_000], ["a |", "b |"]))
    }

    @Test func anotherFirstHeldOutSetChoosesAnew() throws {
        var job = try begin()
        let best = try #require(try TrainingState.read(corpus.file("run/last")).best)
        #expect(best.name == corpus.file("valid.tsv").path)
        job.recipe.optimization.maxUpdate = 3
        // The same set under another name is the same set.
        try FileManager.default.copyItem(at: corpus.file("valid.tsv"), to: corpus.file("same.tsv"))
        job.valid = [WeightedManifest(corpus.file("same.tsv"))]
        #expect(try !lines(job).contains { $0.contains("earlier results no longer count") })
        job.recipe.optimization.maxUpdate = 4
        job.valid = [WeightedManifest(corpus.file("train.tsv"))]
        let told = try lines(job)
        let line = try #require(told.first { $0.contains("earlier results no longer count") })
        #expect(line.contains("valid.tsv chose the best") || line.contains("same.tsv chose the best"), "\(line)")
        let now = try #require(try TrainingState.read(corpus.file("run/last")).best)
        #expect(now.update == 4 && now.name == corpus.file("train.tsv").path)
    }

    @Test func anotherNumberOfThreadsIsTold() throws {
        var job = try begin()
        job.recipe.optimization.maxUpdate = 3
        #expect(try !lines(job).contains { $0.contains("threads") })
        job.recipe.optimization.maxUpdate = 4
        LibTorch.threads = 2
        defer { LibTorch.threads = 1 }
        #expect(try log(job).warnings.contains { $0.hasPrefix("the run used 1 threads") })
    }

    @Test func aRunOfTheOtherKindIsNamedAsSuch() throws {
        var job = try begin()
        job.kind = .finetuning
        #expect(
            refusal(job).training
                == .otherTask(folder: job.output.path, task: "pre-training", command: "pretrain"))
        #expect(refusal(job).kind == .usage)
        // The folder of a run means its best checkpoint.
        job.kind = .pretraining
        job.resume = false
        job.output = corpus.file("further")
        job.from = corpus.file("run")
        #expect(try job.startingCheckpoint()?.url.lastPathComponent == "best")
    }
}
