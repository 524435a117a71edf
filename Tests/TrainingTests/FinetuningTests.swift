import Foundation
import TestSupport
import Testing
import W2VCorpus
import W2VInterchange
import W2VTorch

@testable import W2VTraining

/// Effects of fine-tuning on the model, besides learning.
@Suite(.onTestThreads, .serialized) struct FinetuningTests {
    init() {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
    }

    private static let off = [
        "model.dropout=0", "model.attention_dropout=0", "model.activation_dropout=0", "model.dropout_input=0",
        "model.final_dropout=0", "model.encoder_layerdrop=0", "masking.mask_prob=0", "masking.mask_channel_prob=0",
    ]

    /// The losses of three updates' first micro-batches, and of validation, all from the same random weights.
    private func losses(
        _ corpus: SyntheticCorpus, _ assignments: [String]
    ) throws -> (training: [Double], validation: Double, masked: Int) {
        let job = try corpus.job(.finetuning, "unused", Self.off + assignments)
        let task = try FinetuningTask(
            job.recipe, dictionary: LabelDictionary(contentsOf: corpus.file("dict.ltr.txt")), weights: .random,
            device: .cpu)
        let data = try TrainingData(
            Manifest.training(job.train, labels: "ltr"), recipe: job.recipe,
            receptiveField: job.recipe.model.convFeatureLayers.receptiveField, dictionary: task.dictionary, epoch: 0,
            position: 0)
        let batch = try #require(try data.makeReader().next(through: 0)).batch
        for group in task.groups { try group.parameters.clearGradients() }
        let sums = try (1...3).map {
            try task.prepare(batch, update: $0, microBatch: 0, through: Upload(to: .cpu)).addGradients(lossScale: 1)
                .wait()
        }
        let validation = try task.validate(Manifest.training(job.valid, labels: "ltr"))
        return (sums.map(\.loss), validation.statistics.loss, sums.reduce(0) { $0 + $1.maskedFrames })
    }

    /// Each of them is on in training, where it changes the loss, and off in validation, where it changes nothing.
    @Test(arguments: [
        "masking.mask_prob=0.5", "masking.mask_channel_prob=0.5", "model.encoder_layerdrop=0.5", "model.dropout=0.3",
        "model.attention_dropout=0.3", "model.activation_dropout=0.3", "model.dropout_input=0.3",
        "model.final_dropout=0.3",
    ])
    func regularizationIsOnInTrainingOnly(_ assignment: String) throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        let plain = try losses(corpus, [])
        let regularized = try losses(corpus, [assignment])
        #expect(plain.training[0] == plain.training[1] && plain.masked == 0, "nothing random is left")
        #expect(Set(regularized.training).count > 1, "it does not change from update to update")
        #expect(regularized.training != plain.training)
        #expect(regularized.validation == plain.validation)
        #expect((regularized.masked > 0) == assignment.contains("mask_prob"))
    }

    /// A recognition recipe has its model's code books, which are not used: they cannot collapse.
    @Test func noCodeBooksAreWatched() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        let assignments = ["optimization.max_update=3", "optimization.warmup_updates=0", "watch.patience=1"]
        func warnings(_ task: TrainingJob.Kind, _ name: String, _ more: [String]) throws -> [String] {
            let log = CapturedLog()
            _ = try Trainer(corpus.job(task, name, assignments + more), logger: log.logger()).run()
            return log.lines.filter { $0.contains("code books are collapsing") }
        }
        // All entries would have to be in use.
        let strict = ["watch.code_perplexity=0.999"]
        #expect(try warnings(.pretraining, "pre", strict).count == 1)
        #expect(try warnings(.finetuning, "fine", strict).isEmpty)
    }

    /// No processor multiplies FP16 as LibTorch requests; all multiply FP32.
    @Test(arguments: [("fp16", 1), ("fp32", 0)])
    func aFormatThatIsSlowHereIsNamed(_ mode: String, _ expected: Int) throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        let log = CapturedLog()
        let job = try corpus.job(.finetuning, "fine", ["optimization.max_update=1", "precision.mode=\(mode)"])
        _ = try Trainer(job, logger: log.logger()).run()
        #expect(log.lines.filter { $0.contains("no products in \(mode)") }.count == expected)
    }

    /// The parameters of a saved model, ordered by name.
    private func weights(_ url: URL) throws -> [String: [Float]] {
        try Checkpoint.read(url).state.mapValues { try $0.elements() }
    }

    @Test func theFrozenExtractorStaysAsItWasPretrained() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        _ = try Trainer(corpus.job(.pretraining, "pre", ["optimization.max_update=1"])).run()
        var job = try corpus.job(
            .finetuning, "fine",
            ["model.feature_grad_mult=0", "optimization.max_update=3", "optimization.weight_decay=0.1"])
        job.from = corpus.file("pre/last")
        _ = try Trainer(job).run()
        let (before, after) = (try weights(corpus.file("pre/last")), try weights(corpus.file("fine/last")))
        let prefix = "w2v_encoder.w2v_model."
        for (name, values) in after where name.hasPrefix(prefix) {
            let pretrained = try #require(before[String(name.dropFirst(prefix.count))], "\(name) is not pre-trained")
            let isFrozen = name.contains(".feature_extractor.")
            #expect((values == pretrained) == isFrozen || name.hasSuffix("mask_emb"), "\(name)")
        }
    }

    @Test func theEncoderWaitsForExactlyAsManyUpdatesAsAskedFor() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        _ = try Trainer(corpus.job(.pretraining, "pre", ["optimization.max_update=1"])).run()
        let before = try weights(corpus.file("pre/last"))
        for updates in [2, 3] {
            var job = try corpus.job(
                .finetuning, "after\(updates)",
                ["ctc.freeze_finetune_updates=2", "optimization.max_update=\(updates)"])
            job.from = corpus.file("pre/last")
            _ = try Trainer(job).run()
            let after = try weights(corpus.file("after\(updates)/last"))
            let prefix = "w2v_encoder.w2v_model."
            let changed = after.filter { name, values in
                name.hasPrefix(prefix + "encoder.layers.") && values != before[String(name.dropFirst(prefix.count))]
            }
            #expect(changed.isEmpty == (updates == 2), "after \(updates) updates: \(changed.keys.sorted())")
            #expect(try #require(after["w2v_encoder.proj.bias"]).contains { $0 != 0 }, "the output layer learns")
        }
    }

    @Test func theBestCheckpointIsTheOneWithTheLowestWordErrorRate() throws {
        let corpus = try SyntheticCorpus()
        _ = try Trainer(
            corpus.job(
                .finetuning, "run",
                Self.off + [
                    "optimization.max_update=40", "optimization.lr=0.003", "optimization.schedule=constant",
                    "model.feature_grad_mult=1", "validation.every=5", "checkpoint.save_every=500",
                ])
        ).run()
        let records = try corpus.metrics("run").filter { $0["kind"] as? String == "valid" }
        let rates = records.compactMap { $0["wer"] as? Double }
        let best = try #require(try TrainingState.read(corpus.file("run/last")).best)
        #expect(rates.count == 8 && best.metric == "wer" && best.value == rates.min())
        #expect(records.last { $0["best"] as? Bool == true }?["update"] as? Int == best.update)
        for key in ["raw_wer", "uer", "cer"] { #expect(records.allSatisfy { $0[key] is NSNumber }, "\(key)") }
    }

    @Test func aResumedRunUsesTheDictionaryOfItsCheckpoint() throws {
        let corpus = try SyntheticCorpus()
        _ = try Trainer(corpus.job(.finetuning, "straight")).run()
        let log = CapturedLog()
        for (output, dictionary) in [("gone", nil), ("other", "c 1\nb 1\na 1\n| 1\nd 1\n")] as [(String, String?)] {
            var job = try corpus.job(.finetuning, output)
            let file = corpus.file("dict.ltr.txt")
            let original = try Data(contentsOf: file)
            defer { try? original.write(to: file) }
            var updates = 0
            _ = try Trainer(job).run {
                updates += 1
                return updates == 2 ? SIGTERM : nil
            }
            try FileManager.default.removeItem(at: file)
            if let dictionary { try Data(dictionary.utf8).write(to: file) }
            job.resume = true
            _ = try Trainer(job, logger: log.logger()).run()
            #expect(try corpus.bytes(output) == corpus.bytes("straight"))
        }
        #expect(log.warnings.count { $0.contains("dict.ltr.txt") } == 1)
    }
}

@Suite(.onTestThreads) struct CTCErrorsTests {
    @Test func unitsAndWordsAreCountedAsInFairseqsCriterion() throws {
        // Indices: 1 <pad>, 2 </s>, 3 <unk>, 4 |, 5 a, 6 b.
        let dictionary = try LabelDictionary(symbols: LabelDictionary.specials + ["|", "a", "b"])
        var errors = CTCErrors(dictionary)
        // "ab a" as "ab b": one unit of five, one word of two.
        errors.add(reference: [5, 6, 4, 5, 4], hypothesis: [5, 6, 4, 6, 4])
        #expect(errors.units.rate == 0.2 && errors.text.wer == 0.5 && errors.rawWords.rate == 0.5)
        // The last boundary is missing: a unit is wrong, but not a word.
        errors.add(reference: [5, 6, 4], hypothesis: [5, 6])
        #expect(errors.units.counts.errors == 2 && errors.text.words.counts.errors == 1)
        // <pad> inside a word disappears from the text, but breaks fairseq's raw word; </s> is silent in both.
        errors.add(reference: [5, 6, 4], hypothesis: [5, 1, 6, 2, 4])
        #expect(errors.units.counts.errors == 4)
        #expect(errors.text.words.counts.errors == 1 && errors.rawWords.counts.errors == 2)
        // Nothing is recognized.
        errors.add(reference: [5, 4], hypothesis: [])
        #expect(errors.units.counts.deletions == 3 && errors.text.words.counts.deletions == 1)
        #expect(errors.units.counts.referenceLength == 13 && errors.rawWords.counts.referenceLength == 5)
    }

    @Test func withoutAWordBoundaryEverySymbolIsAWord() throws {
        let dictionary = try LabelDictionary(symbols: LabelDictionary.specials + ["AA", "B"])
        var errors = CTCErrors(dictionary)
        errors.add(reference: [4, 5, 4], hypothesis: [4, 4])
        #expect(errors.rawWords.rate == 1.0 / 3 && errors.text.wer == 1.0 / 3 && errors.units.rate == 1.0 / 3)
    }

    @Test func symbolsThatAreNoDictionaryAreRefused() {
        #expect(throws: CorpusError.self) { try LabelDictionary(symbols: ["a", "b"]) }
        #expect(throws: CorpusError.self) { try LabelDictionary(symbols: LabelDictionary.specials + ["a", "a"]) }
    }
}
