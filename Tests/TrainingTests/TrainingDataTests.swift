import Foundation
import TestSupport
import Testing
import W2VCorpus
import W2VTorch

@testable import W2VTraining

/// The data that a run reads, in their order, including cases that NVIDIA's program gets wrong.
@Suite(.onTestThreads, .serialized) struct TrainingDataTests {
    init() { LibTorch.threads = 1 }

    private func data(
        _ manifest: Manifest, _ recipe: Recipe, epoch: Int = 0, position: Int = 0, share: ProcessShare = .everything
    ) throws -> TrainingData {
        // An update is one micro-batch here.
        var recipe = recipe
        recipe.optimization.updateFreq = 1
        return try TrainingData(
            manifest, recipe: recipe, receptiveField: 400, dictionary: nil, epoch: epoch, position: position,
            share: share)
    }

    /// The micro-batches of two epochs from a position on, each with its epoch.
    private func rest(_ data: TrainingData) throws -> [(epoch: Int, position: Int, batch: MicroBatch)] {
        var result: [(epoch: Int, position: Int, batch: MicroBatch)] = []
        let reader = data.makeReader()
        var update = 0
        while data.epoch < 2 {
            let (epoch, position) = (data.epoch, data.position)
            for number in data.beginUpdate() {
                let read = try #require(try reader.next(through: update))
                #expect(read.update == update && read.number == number)
                result.append((epoch, position, read.batch))
            }
            #expect(try reader.next(through: update) == nil, "the next micro-batch is a later update's")
            update += 1
            if data.isEpochFinished { try data.beginNextEpoch() }
        }
        return result
    }

    private func samples(_ batch: MicroBatch) throws -> [Float] {
        try batch.samples(through: Upload(to: .cpu)).elements(Float.self)
    }

    @Test(arguments: ["to_shortest", "none"])
    func resumingGoesOnInTheMiddleOfAnEpoch(crop: String) throws {
        let corpus = try SyntheticCorpus(utterances: 17)
        let recipe = try SyntheticCorpus.recipe(["batching.crop=\(crop)", "batching.max_tokens=34000"])
        let manifest = try Manifest.training(
            [WeightedManifest(corpus.file("train.tsv"), weight: 1.5), WeightedManifest(corpus.file("valid.tsv"))],
            labels: nil)
        let all = try rest(data(manifest, recipe))
        #expect(all.filter { $0.epoch == 0 }.count > 3)
        #expect(all.allSatisfy { !$0.batch.lengths.isEmpty && $0.batch.subBatches.allSatisfy { !$0.isEmpty } })
        for start in all.indices {
            let (epoch, position, _) = all[start]
            let resumed = try rest(data(manifest, recipe, epoch: epoch, position: position))
            #expect(resumed.count == all.count - start)
            for (first, second) in zip(resumed, all[start...]) {
                #expect(first.batch.utterances == second.batch.utterances)
                #expect(try samples(first.batch) == samples(second.batch))
            }
        }
        // 17 recordings one and a half times, and 3 once: in two epochs 51 and 6.
        #expect(all.reduce(0) { $0 + $1.batch.utterances.count } == 57)
    }

    /// Each process reads its own micro-batches; one that has none in an update goes on to the next.
    @Test func processesReadTheirShares() throws {
        let corpus = try SyntheticCorpus(utterances: 7)
        let recipe = try SyntheticCorpus.recipe(["batching.max_tokens=22000", "batching.num_concat_batches=1"])
        let manifest = try Manifest.training([WeightedManifest(corpus.file("train.tsv"))], labels: nil)
        let whole = try rest(data(manifest, recipe)).flatMap(\.batch.utterances)
        let parts = try (0..<3).map { rank in
            try rest(data(manifest, recipe, share: ProcessShare(rank: rank, size: 3))).flatMap(\.batch.utterances)
        }
        #expect(whole.count == 14 && parts.joined().sorted() == whole.sorted())
        // Updates of 3, 3 and 1 micro-batches.
        #expect(Set(parts.map(\.count)).count > 1)
    }

    @Test func concatenatedBatchesAreCroppedAlike() throws {
        let corpus = try SyntheticCorpus(utterances: 16)
        let recipe = try SyntheticCorpus.recipe([
            "batching.num_concat_batches=3", "batching.crop_group=3", "batching.max_tokens=50000",
            "batching.required_seq_len_multiple=4",
        ])
        let manifest = try Manifest.training([WeightedManifest(corpus.file("train.tsv"))], labels: nil)
        for (_, _, batch) in try rest(data(manifest, recipe)) {
            let shortest = batch.utterances.map { manifest.sampleCounts[$0] }.min() ?? 0
            let length = try #require(Set(batch.lengths).first)
            #expect(Set(batch.lengths).count == 1 && length <= shortest && length > shortest - 4 * 320 - 320)
            #expect(((length - 400) / 320 + 1) % 4 == 0)
        }
    }

    @Test func weightsAreForTrainingOnly() throws {
        let corpus = try SyntheticCorpus()
        var job = try corpus.job(.pretraining, "weighted", ["optimization.max_update=2"])
        job.train = [
            WeightedManifest(parsing: corpus.file("train.tsv").path + ":0.5"),
            WeightedManifest(corpus.file("valid.tsv")),
        ]
        #expect(job.train[0].weight == 0.5)
        #expect(try Trainer(job).run() == .finished)
        // Another weight is another order: the run is not resumed.
        job.train[0].weight = 0.75
        job.resume = true
        #expect(throws: TrainingError.self) { try Trainer(job) }
        job.output = corpus.file("valid-weight")
        job.valid[0].weight = 2
        let error = try #require(throws: TrainingError.self) { try Trainer(job) }
        #expect(error == .weightedValidation(list: corpus.file("valid.tsv").path, weight: 2) && error.kind == .usage)
        job.valid[0].weight = 1
        job.train[0].weight = -1
        #expect(throws: TrainingError.badWeight(list: corpus.file("train.tsv").path, weight: -1)) { try Trainer(job) }
    }

    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning])
    func oneRecordingIsEnoughToValidate(_ task: TrainingJob.Kind) throws {
        let corpus = try SyntheticCorpus()
        for name in ["tsv", "ltr"] {
            let lines = try String(contentsOf: corpus.file("valid." + name), encoding: .utf8).split(separator: "\n")
            let first = lines.prefix(name == "tsv" ? 2 : 1).joined(separator: "\n") + "\n"
            try Data(first.utf8).write(to: corpus.file("valid." + name))
        }
        _ = try Trainer(corpus.job(task, "one", ["optimization.max_update=1"])).run()
        let valid = try corpus.metrics("one").filter { $0["kind"] as? String == "valid" }
        #expect(valid.count == 1 && valid[0]["utterances"] as? Int == 1 && valid[0]["loss"] is NSNumber)
    }

    @Test func whatIsLeftOutIsNamedOrRefused() throws {
        let corpus = try SyntheticCorpus()
        let assignments = ["data.min_sample_size=17000", "optimization.max_update=1"]
        let log = CapturedLog()
        _ = try Trainer(corpus.job(.pretraining, "named", assignments), logger: log.logger())
        #expect(
            log.warnings.contains {
                $0.hasPrefix("\(corpus.file("train.tsv").path): 3 of 10 utterances are left out")
            })
        #expect(
            log.warnings.contains { $0.hasPrefix("\(corpus.file("valid.tsv").path): 1 of 3 utterances are left out") }
        )
        let strict = try corpus.job(
            .pretraining, "refused", assignments + ["batching.skip_invalid_size_inputs=false"])
        let error = try #require(throws: CorpusError.self) { try Trainer(strict) }
        #expect("\(error)".hasPrefix("1 utterance has a length") && "\(error)".contains("valid12.wav (16000 samples"))
        // All are too long without cropping, which is reported before training.
        let none = try corpus.job(.finetuning, "none", ["data.max_sample_size=2000"])
        #expect(throws: CorpusError.self) { try Trainer(none) }
    }

    @Test func dictionariesThatDoNotFitAreNoticedBeforeTraining() throws {
        let corpus = try SyntheticCorpus()
        try Data("| 10\nA 10\nB 10\nC 10\n".utf8).write(to: corpus.file("dict.ltr.txt"))
        let error = try #require(throws: CorpusError.self) { try Trainer(corpus.job(.finetuning, "case")) }
        #expect("\(error)".contains("lower case") && "\(error)".contains("train.ltr:1: "))
    }

    /// Every format can be used directly for training.
    @Test func everyFormatIsLearnedFrom() throws {
        let corpus = try SyntheticCorpus(utterances: 6)
        for name in ["train", "valid"] {
            let manifest = try Manifest.read(corpus.file("\(name).tsv"), labels: "ltr")
            try manifest.write(to: corpus.file("\(name).jsonl"), as: .jsonl)
            let folder = corpus.file("folder-\(name)")
            let kaldi = corpus.file("kaldi-\(name)")
            for url in [folder, kaldi] {
                try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
                try FileManager.default.copyItem(
                    at: corpus.file("dict.ltr.txt"), to: url.appendingPathComponent("dict.ltr.txt"))
            }
            var (scp, text) = ("", "")
            for index in 0..<manifest.count {
                let utterance = manifest[index]
                let words = Transcript.text(fromLetters: utterance.labels ?? "")
                try FileManager.default.copyItem(
                    at: utterance.audio, to: folder.appendingPathComponent(utterance.identifier))
                let transcript = folder.appendingPathComponent(utterance.identifier).deletingPathExtension()
                    .appendingPathExtension("txt")
                try Data(words.utf8).write(to: transcript)
                scp += "u\(index) \(utterance.audio.path)\n"
                text += "u\(index) \(words)\n"
            }
            try Data(scp.utf8).write(to: kaldi.appendingPathComponent("wav.scp"))
            try Data(text.utf8).write(to: kaldi.appendingPathComponent("text"))
        }
        var weights: Set<Data> = []
        for (train, valid) in [
            ("train.tsv", "valid.tsv"), ("train.jsonl", "valid.jsonl"), ("kaldi-train", "kaldi-valid"),
            ("folder-train", "folder-valid"),
        ] {
            var job = try corpus.job(.finetuning, "run-\(train)", ["optimization.max_update=2"])
            job.train = [WeightedManifest(corpus.file(train))]
            job.valid = [WeightedManifest(corpus.file(valid))]
            #expect(try Trainer(job).run() == .finished)
            weights.insert(try #require(corpus.bytes("run-\(train)")["model.safetensors"]))
        }
        #expect(weights.count == 1, "the same recordings give the same model, however they are listed")
    }
}
