import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VInterchange
import W2VTorch

@testable import W2VTraining

@Suite(.onTestThreads, .serialized) struct TrainerTests {
    init() {
        // The computation is tiny, and test machines are busy.
        LibTorch.threads = 1
    }

    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning])
    func concatenatedSubBatchesEqualAccumulatedOnes(_ task: TrainingJob.Kind) throws {
        let corpus = try SyntheticCorpus()
        let plain = [
            "model.dropout=0", "model.attention_dropout=0", "model.dropout_input=0", "model.dropout_features=0",
            "model.encoder_layerdrop=0", "optimization.max_update=2", "batching.crop=none",
        ]
        _ = try Trainer(
            corpus.job(task, "one", plain + ["batching.num_concat_batches=3", "optimization.update_freq=1"])
        ).run()
        _ = try Trainer(
            corpus.job(task, "three", plain + ["batching.num_concat_batches=1", "optimization.update_freq=3"])
        ).run()
        let (together, apart) = (try corpus.metrics("one"), try corpus.metrics("three"))
        for key in ["loss", "contrastive", "diversity", "penalty", "code_perplexity", "grad_norm"] {
            guard let expected = apart.first?[key] as? Double else { continue }
            let found = try #require(together.first?[key] as? Double, "\(key)")
            #expect(abs(found - expected) <= 1e-5 * max(abs(expected), 1e-3), "\(key): \(found), not \(expected)")
        }
        #expect((apart.first?["diversity"] as? Double != nil) == (task == .pretraining))
        let (one, three) = (try moments(corpus, "one"), try moments(corpus, "three"))
        #expect(!one.isEmpty && one.keys == three.keys)
        for (name, values) in one where name.hasSuffix(".exp_avg") {
            let other = try #require(three[name])
            // The keys' bias has no influence: its gradient is rounding noise.
            guard !name.contains("qkv_proj.bias") else { continue }
            let largest = values.map(abs).max() ?? 0
            let difference = zip(values, other).map { abs($0 - $1) }.max() ?? 0
            #expect(difference <= 1e-5 * max(largest, 1e-3), "\(name): \(difference) of \(largest)")
        }
    }

    private func moments(_ corpus: SyntheticCorpus, _ output: String) throws -> [String: [Float]] {
        try TensorFile.read(corpus.file(output + "/last/optimizer.safetensors")).mapValues { try $0.elements() }
    }

    /// Passes that are recorded for repeated shapes train the same model, to the last bit.
    @Test func recordedStepsEqualOthers() throws {
        let corpus = try SyntheticCorpus()
        let settings = [
            "model.encoder_layerdrop=0.3", "data.max_sample_size=16000", "batching.batch_size=2",
            "masking.mask_prob=0.6", "masking.mask_count_multiple=16", "optimization.max_update=8",
            "optimization.update_freq=2", "optimization.ema=0.9",
            "checkpoint.save_every=1000",
        ]
        for mode in ["fp32", "fp16"] {
            for records in [false, true] {
                let job = try corpus.job(
                    .pretraining, "\(mode) \(records)",
                    settings + ["precision.mode=\(mode)", "optimization.record_steps=\(records)"])
                _ = try Trainer(job).run()
            }
            let (plain, recorded) = (try corpus.bytes("\(mode) false"), try corpus.bytes("\(mode) true"))
            for file in ["model.safetensors", "optimizer.safetensors"] {
                #expect(recorded[file] != nil && recorded[file] == plain[file], "\(mode): \(file)")
            }
        }
    }

    @Test func recordedStepsRecomputeNothing() throws {
        let error = #expect(throws: ConfigurationError.self) {
            try SyntheticCorpus.recipe(["optimization.record_steps=true", "model.checkpoint_activations=true"])
        }
        #expect(try "\(#require(error))".contains("optimization.record_steps and model.checkpoint_activations"))
    }

    @Test func finetuningLearnsTones() throws {
        let corpus = try SyntheticCorpus()
        let job = try corpus.job(
            .finetuning, "tones",
            [
                "optimization.max_update=60", "optimization.lr=0.003", "optimization.schedule=constant",
                "masking.mask_prob=0", "masking.mask_channel_prob=0", "model.feature_grad_mult=1",
                "model.encoder_layerdrop=0", "logging.log_every=10", "validation.every=off",
                "checkpoint.save_every=500",
            ])
        _ = try Trainer(job).run()
        let losses = try corpus.metrics("tones").filter { $0["kind"] as? String == "train" }
            .compactMap { $0["loss"] as? Double }
        #expect(losses.count == 6)
        #expect(losses[5] < losses[0] / 2, "losses: \(losses)")
    }

    @Test func pretrainingThenFinetuningRunEndToEnd() throws {
        let corpus = try SyntheticCorpus()
        #expect(try Trainer(corpus.job(.pretraining, "pre")).run() == .finished)
        let lines = try corpus.metrics("pre")
        let train = lines.filter { $0["kind"] as? String == "train" }
        #expect(train.compactMap { $0["update"] as? Int } == [2, 4, 6])
        for key in [
            "update", "epoch", "loss", "contrastive", "diversity", "penalty", "accuracy", "code_perplexity",
            "prob_perplexity", "temperature", "grad_norm", "lr", "audio_seconds_per_second", "frames_per_second",
            "masked_frames_per_second", "data_wait_share", "peak_rss_mb", "seconds",
        ] {
            #expect(train.allSatisfy { $0[key] is NSNumber }, "\(key)")
        }
        #expect(lines.filter { $0["kind"] as? String == "valid" }.compactMap { $0["update"] as? Int } == [3, 6])
        #expect(
            try Set(corpus.bytes("pre").keys) == [
                "model.safetensors", "config.json", "training_state.json", "optimizer.safetensors",
            ])
        #expect(try Recipe.load(corpus.file("pre/recipe.yaml").path) == SyntheticCorpus.recipe())

        var job = try corpus.job(.finetuning, "fine", ["model.encoder_layers=7", "ctc.freeze_finetune_updates=2"])
        job.from = corpus.file("pre/best")
        #expect(try Trainer(job).run() == .finished)
        let tuned = try Checkpoint.read(corpus.file("fine/best"))
        #expect(tuned.description.model.encoderLayers == 2, "the architecture is the checkpoint's")
        #expect(tuned.description.labels.suffix(4) == ["|", "a", "b", "c"])
        let valid = try corpus.metrics("fine").filter { $0["kind"] as? String == "valid" }
        #expect(valid.allSatisfy { $0["wer"] is NSNumber && $0["cer"] is NSNumber })
    }

    /// The trainer polls between and after an update's micro-batches: stops between updates and in the middle of one.
    ///
    /// Here every other update ends an epoch and has one micro-batch, the others two.
    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning], [1, 2, 6, 7])
    func stoppingAndResumingChangesNothing(_ task: TrainingJob.Kind, stop: Int) throws {
        let corpus = try SyntheticCorpus()
        #expect(try Trainer(corpus.job(task, "straight", ["ctc.freeze_finetune_updates=2"])).run() == .finished)
        var job = try corpus.job(task, "broken", ["ctc.freeze_finetune_updates=2"])
        var asked = 0
        let outcome = try Trainer(job).run {
            asked += 1
            return asked == stop ? SIGTERM : nil
        }
        #expect(try TrainingState.read(corpus.file("broken/last")).update == [1: 0, 2: 1, 6: 4, 7: 4][stop])
        #expect(outcome == .stopped(signal: SIGTERM))
        #expect(try corpus.bytes("broken") != corpus.bytes("straight"))
        job.resume = true
        #expect(try Trainer(job).run() == .finished)
        #expect(try corpus.bytes("broken") == corpus.bytes("straight"))
        #expect(try corpus.bytes("broken", "best") == corpus.bytes("straight", "best"))
        func comparable(_ output: String) throws -> [[String]] {
            // The final speed covers only the last job.
            try corpus.metrics(output).filter { $0["kind"] as? String != "benchmark" }.map { line in
                line.filter { !$0.key.contains("second") && $0.key != "data_wait_share" && $0.key != "peak_rss_mb" }
                    .map { "\($0.key)=\($0.value)" }.sorted()
            }
        }
        #expect(try comparable("broken") == comparable("straight"))
        // Again: the run is finished, and nothing happens.
        #expect(try Trainer(job).run() == .finished)
        #expect(try corpus.bytes("broken") == corpus.bytes("straight"))
    }

    @Test func utterancesTooShortForMaskAndLabelsAreNamedAndDoNotStopFinetuning() throws {
        let corpus = try SyntheticCorpus(seconds: 0.03)
        let log = CapturedLog()
        let job = try corpus.job(.finetuning, "short", ["masking.mask_length=10", "masking.mask_prob=0.65"])
        #expect(try Trainer(job, logger: log.logger()).run() == .finished)
        #expect(log.lines.contains { $0.contains("more labels than fit") && $0.contains("train0.wav (1 frames") })
        var strict = job
        strict.output = corpus.file("strict")
        strict.recipe.ctc.zeroInfinity = false
        #expect(refusal(strict).kind == .input)
        if case .labelsExceedFrames? = refusal(strict).training {} else { Issue.record("\(refusal(strict))") }
    }

    @Test func refusalsNameWhatIsWrong() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        var job = try corpus.job(.pretraining, "run", ["optimization.max_update=1"])
        _ = try Trainer(job).run()
        #expect(refusal(job).training == .outputNotEmpty(folder: job.output.path) && refusal(job).kind == .usage)
        job.resume = true
        job.recipe.optimization.learningRate.peak = 0.5
        job.recipe.model.dropout = 0.3
        #expect(refusal(job).differences?.contains("optimization.lr: 0.001 → 0.5") == true)
        #expect(refusal(job).differences?.contains { $0.hasPrefix("model.dropout:") } == true)
        job.recipe = try corpus.job(.pretraining, "run", ["optimization.max_update=2"]).recipe
        #expect(refusal(job).error == nil, "more updates may be asked for")
        job.train.append(WeightedManifest(corpus.file("valid.tsv")))
        #expect(refusal(job).dataChange != nil)
        job = try corpus.job(.pretraining, "weights")
        job.valid = [WeightedManifest(parsing: corpus.file("valid.tsv").path + ":2.5")]
        #expect(refusal(job).training == .weightedValidation(list: corpus.file("valid.tsv").path, weight: 2.5))
        try FileManager.default.removeItem(at: corpus.file("dict.ltr.txt"))
        let noDictionary = refusal(try corpus.job(.finetuning, "nodict"))
        #expect(noDictionary.training == .noDictionary(file: corpus.file("dict.ltr.txt").path))
        #expect(noDictionary.kind == .input)
    }

    @Test func gradientsThatAreNotFiniteStopTheRun() throws {
        let corpus = try SyntheticCorpus(utterances: 5)
        let job = try corpus.job(.finetuning, "run", ["optimization.lr=1e30", "optimization.clip_norm=0"])
        do {
            _ = try Trainer(job).run()
            Issue.record("a learning rate of 1e30 went well")
        } catch TrainingError.notFinite(_, _, let utterances) {
            #expect(utterances.contains { $0.contains("train") })
        }
    }
}
