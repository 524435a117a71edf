import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VInterchange
import W2VTorch

@testable import W2VTraining

@Suite(.onTestThreads, .serialized) struct PrecisionTests {
    init() {
        LibTorch.threads = 1
    }

    private func losses(_ corpus: SyntheticCorpus, _ output: String) throws -> [Double] {
        try corpus.metrics(output).filter { $0["kind"] as? String == "train" }.compactMap { $0["loss"] as? Double }
    }

    /// The band: 2.5 % of the loss in fp16 and 8 % in bf16, over each 20 of 200 updates of a tiny pre-training.
    ///
    /// Rounding occasionally changes the choice of a code, so that two runs diverge permanently, in no certain
    /// direction.
    @Test func halfPrecisionTracksSingleOver200Updates() throws {
        let corpus = try SyntheticCorpus(seconds: 0.6)
        let plain = [
            "batching.num_concat_batches=1", "optimization.update_freq=1", "batching.max_tokens=24000",
            "model.encoder_layers=1", "optimization.max_update=200", "optimization.warmup_updates=20",
            "optimization.lr=0.0005",
            "logging.log_every=20", "validation.every=off", "checkpoint.save_every=1000",
        ]
        func train(_ mode: String) throws -> [Double] {
            _ = try Trainer(corpus.job(.pretraining, mode, plain + ["precision.mode=\(mode)"])).run()
            return try losses(corpus, mode)
        }
        let exact = try train("fp32")
        #expect(exact.count == 10 && exact[9] < exact[0])
        for (mode, band) in [("fp16", 0.025), ("bf16", 0.08)] {
            let found = try train(mode)
            #expect(found.count == 10 && found != exact)
            for (one, other) in zip(found, exact) {
                #expect(abs(one - other) <= band * other, "\(mode): \(found) where fp32 has \(exact)")
            }
            #expect(try losses(corpus, mode) != exact, "nothing was rounded")
        }
        let state = try Checkpoint.read(corpus.file("fp16/last")).state
        #expect(state.values.allSatisfy { $0.dtype == .float32 }, "the master weights are saved")
        let weight = try #require(state["encoder.layers.0.fc1.weight"])
        let rounded = try weight.to(dtype: .float16).elements(Float.self)
        #expect(try weight.elements(Float.self) != rounded, "not the rounded ones")
    }

    @Test func anOverflowHalvesTheScaleAndRecovers() throws {
        let corpus = try SyntheticCorpus(utterances: 6, seconds: 0.6)
        let log = CapturedLog()
        let job = try corpus.job(
            .pretraining, "run",
            [
                "precision.mode=fp16", "precision.fp16_init_scale=16777216", "precision.fp16_scale_window=3",
                "optimization.max_update=30", "logging.log_every=1", "validation.every=off",
                "checkpoint.save_every=1000",
            ])
        _ = try Trainer(job, logger: log.logger()).run()
        let train = try corpus.metrics("run").filter { $0["kind"] as? String == "train" }
        let scales = train.compactMap { $0["loss_scale"] as? Double }
        let skipped = train.compactMap { $0["skipped_updates"] as? Int }
        #expect(train.count == 30 && scales.count == 30 && skipped.count == 30)
        #expect(skipped[0] == 1 && scales[0] == 8_388_608, "\(scales)")
        let first = try #require(skipped.firstIndex(of: 0))
        #expect(zip(scales[..<first], scales[1..<first]).allSatisfy { $0 == 2 * $1 })
        #expect(zip(scales, scales.dropFirst()).contains { $1 == 2 * $0 }, "the scale never rose: \(scales)")
        #expect(log.lines.contains { $0.contains("update 1: overflow at loss scale 16777216, the update is skipped") })
        let state = try TrainingState.read(corpus.file("run/last"))
        #expect(state.update == 30 && state.optimizerUpdates["model"] == 30 - skipped.reduce(0, +))
        let losses = train.compactMap { $0["loss"] as? Double }
        #expect(!losses.contains { !$0.isFinite })
    }

    @Test func theMinimumScaleStopsAndNamesTheUtterances() throws {
        let corpus = try SyntheticCorpus(utterances: 5, seconds: 0.6)
        let job = try corpus.job(
            .finetuning, "run",
            [
                "precision.mode=fp16", "precision.fp16_init_scale=8", "precision.min_loss_scale=1",
                "optimization.lr=1e30", "optimization.warmup_updates=0", "optimization.max_update=20",
                "validation.every=off",
            ])
        do {
            _ = try Trainer(job).run()
            Issue.record("a learning rate of 1e30 went well")
        } catch let error as TrainingError {
            let text = "\(error)"
            #expect(error.kind == .failure && text.contains("minimum, 1.0") && text.contains("train"), "\(text)")
            #expect(text.contains("the gradient of w2v_encoder.") || text.contains("the loss"), "\(text)")
        }
    }

    @Test(arguments: [
        ["precision.mode=fp16", "precision.fp16_scale_window=2", "optimization.ema=0.9"],
        ["precision.mode=bf16", "precision.bf16_loss_scaler=true", "optimization.optimizer=lamb"],
        ["precision.mode=tf32", "model.checkpoint_activations=true", "optimization.ema=0.5"],
    ])
    func resumingIsExact(_ assignments: [String]) throws {
        let corpus = try SyntheticCorpus(seconds: 0.6)
        for task in [TrainingJob.Kind.pretraining, .finetuning] {
            let all =
                assignments + [
                    "ctc.freeze_finetune_updates=2", "validation.every=4", "checkpoint.save_every=100",
                    "optimization.update_freq=1",
                ]
            #expect(try Trainer(corpus.job(task, "straight \(task)", all)).run() == .finished)
            var job = try corpus.job(task, "broken \(task)", all)
            var updates = 0
            _ = try Trainer(job).run {
                updates += 1
                return updates == 3 ? SIGTERM : nil
            }
            job.resume = true
            #expect(try Trainer(job).run() == .finished)
            for folder in ["last", "best"] {
                #expect(try corpus.bytes("broken \(task)", folder) == corpus.bytes("straight \(task)", folder))
            }
        }
    }

    /// Frozen weights are saved unchanged, not as rounded to half precision.
    @Test func frozenWeightsStayExact() throws {
        let corpus = try SyntheticCorpus(seconds: 0.6)
        _ = try Trainer(corpus.job(.pretraining, "pre", ["optimization.max_update=1"])).run()
        var job = try corpus.job(
            .finetuning, "fine", ["precision.mode=bf16", "model.feature_grad_mult=0", "optimization.max_update=2"])
        job.from = corpus.file("pre/last")
        _ = try Trainer(job).run()
        let before = try Checkpoint.read(corpus.file("pre/last")).state
        let after = try Checkpoint.read(corpus.file("fine/last")).state
        let name = "feature_extractor.conv_layers.1.0.weight"
        let kept = try #require(after["w2v_encoder.w2v_model." + name])
        #expect(try kept.elements(Float.self) == before[name]?.elements(Float.self))
    }

    @Test func averagedWeightsAreSavedAndEvaluated() throws {
        let corpus = try SyntheticCorpus(seconds: 0.6)
        let options = ["optimization.ema=0.75", "optimization.max_update=2", "optimization.lr=0.01"]
        _ = try Trainer(corpus.job(.finetuning, "run", options)).run()
        _ = try Trainer(corpus.job(.finetuning, "one", options + ["optimization.max_update=1"])).run()
        _ = try Trainer(corpus.job(.finetuning, "zero", options + ["optimization.max_update=1", "optimization.lr=0"]))
            .run()
        func weight(_ path: String) throws -> [Float] {
            try #require(try Checkpoint.read(corpus.file(path)).state["w2v_encoder.proj.weight"]).elements()
        }
        let (start, first, second) = (try weight("zero/last"), try weight("one/last"), try weight("run/last"))
        let found = try weight("run/last/ema.safetensors")
        for index in found.indices {
            let once = 0.75 * start[index] + 0.25 * first[index]
            #expect(abs(found[index] - (0.75 * once + 0.25 * second[index])) < 1e-6)
        }
        #expect(found != second)
        #expect(try Checkpoint.read(corpus.file("run/best/ema.safetensors")).ctcModel().labelCount > 0)
        let valid = try corpus.metrics("run").filter { ($0["kind"] as? String)?.hasPrefix("valid") == true }
        func ofKind(_ kind: String) -> [[String: Any]] { valid.filter { $0["kind"] as? String == kind } }
        let (raw, averaged) = (ofKind("valid"), ofKind("valid_ema"))
        #expect(raw.count == averaged.count && !raw.isEmpty)
        #expect(raw.last?["loss"] as? Double != averaged.last?["loss"] as? Double)
    }

    /// NVIDIA's program multiplies in TF32 on GPUs from Ampere on; everything else computes in FP32.
    @Test(
        arguments: [(nil, .fp32), (70, .fp32), (75, .fp32), (80, .tf32), (90, .tf32), (120, .tf32)]
            as [(Int?, ModelPrecision.Mode)])
    func autoIsTF32WhereAGPUHasIt(_ generation: Int?, _ mode: ModelPrecision.Mode) throws {
        for name in ["base", "large", "finetune-base-960h", "demo-pretrain"] {
            #expect(try Recipe.load(name).precision.model(generation: generation) == ModelPrecision(mode))
        }
        for exact in ModelPrecision.Mode.allCases where exact.trains {
            let recipe = try Recipe(yaml: "precision: {mode: \(exact.rawValue)}", path: "mine.yaml")
            #expect(recipe.precision.model(generation: generation).mode == exact)
        }
        #expect(try Recipe(yaml: Recipe().yaml, path: "copy").precision.mode == .auto)
    }

    @Test func autoIsQuietAndExactOnACPU() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        let log = CapturedLog()
        for mode in ["auto", "fp32"] {
            let job = try corpus.job(
                .pretraining, mode, ["optimization.max_update=2", "precision.mode=\(mode)"])
            _ = try Trainer(job, logger: log.logger()).run()
        }
        #expect(log.lines.allSatisfy { !$0.contains("precision") && !$0.contains("tf32") })
        let weights = "model.safetensors"
        #expect(try corpus.bytes("auto")[weights] == corpus.bytes("fp32")[weights])
        #expect(try corpus.bytes("auto")[weights] != nil)
    }

    /// A run that was started before `auto` was the default can be resumed, and computes as before.
    @Test func aRunBegunInFP32StaysSo() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        var job = try corpus.job(.pretraining, "run", ["optimization.max_update=1", "precision.mode=fp32"])
        _ = try Trainer(job).run()
        // States of version 0.1 do not record the recipe file's values.
        let file = corpus.file("run/last/training_state.json")
        var saved = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        #expect(saved.removeValue(forKey: "replaced") != nil)
        try JSONSerialization.data(withJSONObject: saved).write(to: file)
        job.resume = true
        job.assigned = ["optimization.max_update"]
        try job.recipe.apply(["optimization.max_update=2", "precision.mode=auto"])
        _ = try Trainer(job).run()
        let state = try TrainingState.read(corpus.file("run/last"))
        #expect(state.update == 2 && state.recipe["precision.mode"] == "fp32")
        job.assigned = ["precision.mode"]
        try job.recipe.apply(["precision.mode=tf32"])
        #expect(refusal(job).differences == ["precision.mode: fp32 → tf32"])
    }

    @Test func keys() throws {
        var recipe = Recipe()
        try recipe.apply(["precision.mode=fp16"])
        var model: ModelPrecision { recipe.precision.model(generation: nil) }
        #expect(model == ModelPrecision(.fp16) && model.fp32CosineSim)
        try recipe.apply(["precision.fp32_cosine_sim=false", "precision.fp32_mha_softmax=true"])
        #expect(!model.fp32CosineSim && model.fp32MhaSoftmax && model.fp32PosConv && recipe.precision.scalesLoss)
        try recipe.apply(["precision.mode=bf16"])
        #expect(!recipe.precision.scalesLoss && !model.fp32ConvNorms)
        #expect(try Recipe(yaml: recipe.yaml, path: "copy") == recipe)
        #expect(throws: ConfigurationError.self) { try recipe.apply(["optimization.ema=1"]) }
        #expect(throws: ConfigurationError.self) { try recipe.apply(["precision.fp32_pos_conv=maybe"]) }
        let noScale = ["precision.mode=fp16", "precision.fp16_init_scale=0"]
        #expect(throws: ConfigurationError.self) { try recipe.apply(noScale) }
    }
}
