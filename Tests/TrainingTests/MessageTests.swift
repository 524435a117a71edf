import Foundation
import TestSupport
import Testing
import W2VAudio
import W2VBackbone
import W2VInterchange
import W2VKernels
import W2VTorch

@testable import W2VTraining

/// A run's messages about its files, data and recipe.
@Suite(.onTestThreads, .serialized) struct MessageTests {
    init() {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
    }

    private func lines(_ job: TrainingJob) throws -> [String] {
        let log = CapturedLog()
        _ = try Trainer(job, logger: log.logger())
        return log.lines
    }

    @Test func theSystemsReasonsAreInWords() throws {
        let full = try FileHandle(forWritingTo: URL(fileURLWithPath: "/dev/full"))
        let error = try #require(throws: (any Error).self) { try full.write(contentsOf: Data([1])) }
        #expect(systemReason(error) == "the disk is full")
        #expect(systemReason(POSIXError(.EACCES)) == "Permission denied")
        let corpus = try SyntheticCorpus(utterances: 1)
        let missing = try #require(throws: (any Error).self) {
            try FileManager.default.createDirectory(
                at: corpus.file("train.tsv/run"), withIntermediateDirectories: false)
        }
        #expect(!systemReason(missing).hasSuffix(".") && !systemReason(missing).contains("NSCocoa"))
        // The same through the files that a run writes.
        try FileManager.default.createDirectory(
            at: corpus.file("run/metrics.jsonl"), withIntermediateDirectories: true)
        let log = try #require(throws: TrainingError.self) { try TrainingLog(corpus.file("run"), after: 0) }
        #expect(log.problem.contains("run/metrics.jsonl") && log.kind == .failure)
        let events = try #require(throws: TrainingError.self) { try EventFile(corpus.file("train.tsv"), after: 0) }
        #expect(events.problem.contains("train.tsv") && events.kind == .failure)
        for text in ["\(log)", "\(events)"] {
            #expect(!text.contains("UserInfo") && !text.contains("NSCocoa") && !text.contains(".;"), "\(text)")
        }
    }

    @Test func anIntactCheckpointIsNamedOnlyWhereThereIsOne() throws {
        let corpus = try SyntheticCorpus(utterances: 1)
        let folder = RunFolder(url: corpus.file("run"))
        _ = try folder.prepare(resumes: false)
        func failure(_ intact: String?) throws {
            #expect(
                throws: TrainingError.cannotSave(folder: folder.last.path, reason: "the disk is full", intact: intact)
            ) {
                try folder.replace("last") { _ in throw POSIXError(.ENOSPC) }
            }
        }
        try failure(nil)
        try folder.replace("last") { _ in }
        try failure(folder.last.path)
    }

    @Test func aStateThatCannotBeReadIsDescribedInWords() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        var job = try corpus.job(.pretraining, "run", ["optimization.max_update=1"])
        _ = try Trainer(job).run()
        job.resume = true
        job.recipe.optimization.maxUpdate = 2
        let url = corpus.file("run/last/training_state.json")
        let good = try Data(contentsOf: url)
        func refused(_ change: (inout [String: Any]) -> Void) throws -> String {
            var state = try JSONSerialization.jsonObject(with: good) as? [String: Any] ?? [:]
            change(&state)
            try JSONSerialization.data(withJSONObject: state).write(to: url)
            #expect(refusal(job).kind == .failure)
            return refusal(job).damage ?? "\(refusal(job))"
        }
        #expect(
            try refused { $0["format_version"] = 99 }.contains("a newer version of this program wrote it (format 99"))
        #expect(try refused { $0["effective_batch"] = nil }.contains("effective_batch is missing"))
        #expect(try refused { $0["update"] = "one" }.contains("update in it has a value of the wrong kind"))
        #expect(try refused { $0["position"] = -3 }.contains("position is -3"))
        let behind = try refused { $0["position"] = 1_000 }
        #expect(behind.contains("position 1000 lies behind"), "\(behind)")
        try good.prefix(good.count / 2).write(to: url)
        #expect(refusal(job).damage?.contains("it is damaged") == true)
        #expect(refusal(job).training?.advice != nil)
        try good.write(to: url)
        #expect(refusal(job).error == nil)
    }

    @Test func theFirstLineCountsWhatIsLearnedFrom() throws {
        let corpus = try SyntheticCorpus(utterances: 8)
        let first = { (lines: [String]) in lines.first { $0.hasPrefix("pretraining: ") } ?? "" }
        var job = try corpus.job(.pretraining, "all")
        let name = corpus.file("train.tsv").path
        #expect(try first(lines(job)).contains("parameters, 8 utterances of \(name), 9 s of audio"))
        // Two of them have 16000 samples.
        job = try corpus.job(.pretraining, "long", ["data.min_sample_size=17000"])
        #expect(try first(lines(job)).contains("parameters, 6 of 8 utterances of \(name), "))
        job = try corpus.job(.pretraining, "twice")
        job.train[0].weight = 2
        #expect(try first(lines(job)).contains("by their weights 16 in this epoch, 18 s of audio"))
    }

    @Test func weightsThatAreNoNumbersAreNamedAtTheStart() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        var job = try corpus.job(.pretraining, "run", ["optimization.max_update=1"])
        _ = try Trainer(job).run()
        let file = corpus.file("run/last/model.safetensors")
        var weights = try TensorFile.read(file).mapValues { try $0.cloned() }
        let name = "encoder.layers.1.fc1.weight"
        weights[name] = try #require(weights[name]) * Double.nan
        try TensorFile.write(weights, metadata: ["format": "pt"], to: file)
        job.resume = true
        #expect(refusal(job).damage?.contains("\(name) has values that are infinite or not numbers") == true)
        #expect(refusal(job).kind == .failure)
        job = try corpus.job(.finetuning, "fine")
        job.from = corpus.file("run/last")
        if case .notFiniteWeights(_, name)? = refusal(job).training {} else { Issue.record("\(refusal(job))") }
    }

    @Test func recipesForTheOtherTaskAreTold() throws {
        for (name, task) in [
            ("base", .pretraining), ("demo-pretrain", .pretraining), ("demo-finetune", .finetuning),
            ("finetune-vox-960h", .finetuning),
        ] as [(String, TrainingJob.Kind)] {
            #expect(try Recipe.load(name).intendedKind(name) == task)
        }
        let unnamed = try Recipe(yaml: "ctc: {freeze_finetune_updates: 7}", path: "mine.yaml")
        #expect(unnamed.intendedKind("mine.yaml") == .finetuning)
        #expect(try Recipe(yaml: "seed: 7", path: "mine.yaml").intendedKind("mine.yaml") == nil)
        let corpus = try SyntheticCorpus(utterances: 4)
        var job = try corpus.job(.pretraining, "run")
        for (task, count) in [(nil, 0), (.pretraining, 0), (.finetuning, 1)] as [(TrainingJob.Kind?, Int)] {
            job.intendedKind = task
            job.output = corpus.file("run\(count)-\(task?.rawValue ?? "")")
            #expect(try lines(job).count { $0.contains("seems to be one for finetuning") } == count)
        }
    }

    private func shorten(_ corpus: SyntheticCorpus, _ lengths: [Int]) throws {
        let url = corpus.file("train.tsv")
        var lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map(String.init)
        for (index, length) in lengths.enumerated() {
            let samples = (0..<length).map { Float(sin(Double($0) / 7)) }
            try AudioFile.write(samples, to: corpus.file("train\(index).wav"), format: .wavFloat)
            lines[index + 1] = "train\(index).wav\t\(length)"
        }
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: url)
    }

    /// Among longer ones they do not end a run, however the lengths of spans are drawn.
    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning], SpanMasking.Selection.allCases)
    func utterancesTooShortForTheirSpansAreNamed(_ task: TrainingJob.Kind, _ selection: SpanMasking.Selection) throws {
        let corpus = try SyntheticCorpus(utterances: 6)
        // 9, 3, 2 and 12 frames.
        try shorten(corpus, [2_960, 1_040, 720, 3_920])
        let job = try corpus.job(
            task, "run",
            [
                "masking.mask_prob=0.65", "masking.mask_length=10", "masking.mask_selection=\(selection.rawValue)",
                "masking.mask_other=\(selection == .uniform ? 9 : 3)", "batching.crop=none", "ctc.zero_infinity=true",
                "optimization.max_update=12", "validation.every=1000", "checkpoint.save_every=1000",
            ])
        let log = CapturedLog()
        _ = try Trainer(job, logger: log.logger()).run()
        let spans = try #require(log.lines.first { $0.contains("too short for their masked spans") })
        #expect(spans.contains("masking.mask_length 10"))
        #expect(spans.contains("train0.wav (9 frames); train1.wav (3 frames)"))
        let excluded = log.lines.contains { $0.contains("are left out: train2.wav (720 samples, at least 1040") }
        #expect(excluded == (task == .pretraining) && spans.contains("train2") == (task == .finetuning))
    }

    /// Nothing can be learned if all recordings are shorter than a span.
    @Test func spansThatFitNothingAreRefusedByTheirKeys() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        func refused(_ task: TrainingJob.Kind, _ assignments: String...) throws -> String {
            refusal(try corpus.job(task, "run-\(assignments.joined())", assignments)).error.map { "\($0)" } ?? ""
        }
        for key in ["mask_length", "mask_min_masks"] {
            let text = try refused(.pretraining, "masking.\(key)=1000")
            #expect(text.contains("masking.\(key), which is 1000") && text.contains("train.tsv"), "\(text)")
            // Short words are learned from without a mask.
            #expect(try refused(.finetuning, "masking.\(key)=1000") == "")
        }
        #expect(try refused(.pretraining, "masking.mask_prob=0").contains("masking.mask_prob is 0"))
        for task in [TrainingJob.Kind.pretraining, .finetuning] {
            let text = try refused(task, "masking.mask_channel_prob=0.5", "masking.mask_channel_length=32")
            #expect(text.contains("mask_channel_length is 32") && text.contains("32 channels"), "\(text)")
        }
        for huge in [
            ["masking.mask_length=\(Int.max)"], ["masking.mask_selection=uniform", "masking.mask_other=1e300"],
        ] {
            #expect(throws: ConfigurationError.self) { try corpus.job(.pretraining, "huge", huge) }
        }
    }

    @Test func emptyTranscriptsAreCountedOrRefused() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        var job = try corpus.job(.finetuning, "full")
        #expect(try !lines(job).contains { $0.contains("are empty") })
        job.output = corpus.file("some")
        try Data("a b |\n\n|\nc |\n".utf8).write(to: corpus.file("train.ltr"))
        let told = try lines(job)
        #expect(told.contains { $0.contains("2 of 4 transcripts are empty, the first that of train1.wav") })
        job.output = corpus.file("none")
        try Data("|\n|\n\n\n".utf8).write(to: corpus.file("train.ltr"))
        #expect(refusal(job).training == .emptyTranscripts(list: corpus.file("train.tsv").path, count: 4))
    }
}
