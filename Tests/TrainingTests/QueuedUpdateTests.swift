import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VCorpus
import W2VKernels
import W2VTorch

@testable import W2VTraining

/// Updates of recorded runs, whose norm and decision the host reads only when the next update has begun: they are those
/// of other runs, in every file and in every number of the log.
@Suite(.onTestThreads) struct QueuedUpdateTests {
    /// Batches of one shape, so that nearly all passes are replayed.
    private static let settings = [
        "model.encoder_layerdrop=0.3", "data.max_sample_size=16000", "batching.batch_size=2", "masking.mask_prob=0.6",
        "masking.count=fixed", "optimization.ema=0.9", "validation.every=4", "checkpoint.save_every=1000",
    ]

    private func job(
        _ corpus: SyntheticCorpus, _ output: String, records: Bool, _ assignments: [String]
    ) throws -> TrainingJob {
        try corpus.job(
            .pretraining, output, Self.settings + ["optimization.record_steps=\(records)"] + assignments)
    }

    /// The log without times and speeds.
    private func log(_ corpus: SyntheticCorpus, _ output: String) throws -> [[String: String]] {
        let measured: Set = [
            "seconds", "eta_seconds", "audio_seconds_per_second", "frames_per_second", "masked_frames_per_second",
            "data_wait_share", "peak_rss_mb", "seconds_per_update", "utilisation",
        ]
        return try corpus.metrics(output).filter { $0["kind"] as? String != "benchmark" }.map { line in
            line.filter { !measured.contains($0.key) }.mapValues { "\($0)" }
        }
    }

    private func expectSame(_ corpus: SyntheticCorpus, _ plain: String, _ recorded: String) throws {
        let (expected, found) = (try corpus.bytes(plain), try corpus.bytes(recorded))
        let files = expected.keys.filter { $0.hasSuffix(".safetensors") }
        #expect(files.count == 3)
        for file in files { #expect(found[file] == expected[file], "\(file)") }
        #expect(try log(corpus, recorded) == log(corpus, plain))
    }

    @Test(arguments: [
        ["precision.mode=fp32", "optimization.clip_norm=0.2", "logging.log_every=1", "logging.histogram_every=3"],
        ["precision.mode=fp32", "optimization.clip_norm=0", "optimization.update_freq=1", "logging.log_every=4"],
        [
            "precision.mode=fp16", "precision.fp16_init_scale=16777216", "precision.fp16_scale_window=3",
            "optimization.max_update=24", "logging.log_every=1", "logging.histogram_every=2",
        ],
        ["precision.mode=bf16", "optimization.update_freq=1", "logging.log_every=3"],
        // Its updates cannot be queued.
        ["precision.mode=bf16", "optimization.optimizer=lamb"],
    ])
    func updatesEqualOthers(_ assignments: [String]) throws {
        let corpus = try SyntheticCorpus()
        let all = ["optimization.max_update=9"] + assignments
        for records in [false, true] {
            #expect(try Trainer(job(corpus, "\(records)", records: records, all)).run() == .finished)
        }
        try expectSame(corpus, "false", "true")
        let train = try corpus.metrics("true").filter { $0["kind"] as? String == "train" }
        #expect(train.allSatisfy { ($0["grad_norm"] as? Double).map { $0.isFinite } == true })
        if assignments[0] == "precision.mode=fp16" {
            // Some updates are skipped, so that what was begun before has to be repeated.
            let skipped = train.compactMap { $0["skipped_updates"] as? Int }
            #expect(skipped.contains(1) && skipped.contains(0), "\(skipped)")
        }
    }

    /// Whoever records steps learns how often they were replayed, and once if that is hardly ever.
    @Test func shapesThatHardlyRepeatAreTold() throws {
        let corpus = try SyntheticCorpus(utterances: 4)
        let warning = "optimization.record_steps has replayed"
        for (output, count, masks) in [("spans", 90, "spans"), ("fixed", 6, "fixed")] {
            let log = CapturedLog()
            let job = try job(
                corpus, output, records: true,
                [
                    "masking.count=\(masks)", "masking.mask_same_count=false", "optimization.update_freq=1",
                    "optimization.max_update=\(count)", "validation.every=off",
                ])
            _ = try Trainer(job, logger: log.logger()).run()
            #expect(log.warnings.count { $0.hasPrefix(warning) } == (masks == "spans" ? 1 : 0))
            #expect(log.lines.contains { $0.contains("recorded steps: ") && $0.contains(" % of passes replayed") })
        }
    }

    /// Stopped in the middle of an update and between two, after which the next one had begun.
    @Test(arguments: ["fp32", "fp16"])
    func resumedRunsKeepTheirBits(_ mode: String) throws {
        let corpus = try SyntheticCorpus()
        let all = ["optimization.max_update=8", "precision.mode=\(mode)", "logging.log_every=1"]
        #expect(try Trainer(job(corpus, "whole", records: true, all)).run() == .finished)
        var job = try job(corpus, "parts", records: true, all)
        for stop in [3, 4] {
            var polls = 0
            let outcome = try Trainer(job).run {
                polls += 1
                return polls > stop ? 15 : nil
            }
            #expect(outcome == .stopped(signal: 15))
            job.resume = true
        }
        #expect(try Trainer(job).run() == .finished)
        try expectSame(corpus, "whole", "parts")
    }

    /// A queued update that turns out not to be finite has changed nothing, and the same is told about it.
    @Test(arguments: [
        ["precision.mode=fp32"],
        ["precision.mode=fp16", "precision.fp16_init_scale=8", "precision.min_loss_scale=1"],
    ])
    func failuresLeaveTheModelAsItWas(_ assignments: [String]) throws {
        let corpus = try SyntheticCorpus(utterances: 6)
        let all =
            assignments + [
                "optimization.lr=1e25", "optimization.schedule=constant", "optimization.warmup_updates=0",
                "optimization.clip_norm=0", "optimization.max_update=30", "validation.every=off",
                "checkpoint.save_every=1",
            ]
        func failure(_ output: String, records: Bool) throws -> String {
            let job = try job(corpus, output, records: records, all)
            let error = try #require(throws: TrainingError.self) { _ = try Trainer(job).run() }
            return "\(error)"
        }
        let (plain, recorded) = (try failure("plain", records: false), try failure("recorded", records: true))
        #expect(plain == recorded)
        #expect(recorded.contains("the gradient of ") || recorded.contains("the loss"))
        let (expected, found) = (try corpus.bytes("plain"), try corpus.bytes("recorded"))
        #expect(expected["model.safetensors"] != nil)
        for (file, bytes) in expected where file.hasSuffix(".safetensors") { #expect(found[file] == bytes, "\(file)") }
        let updates = try ["plain", "recorded"].map { try TrainingState.read(corpus.file("\($0)/last")).update }
        #expect(updates[0] == updates[1])
    }

    /// On a GPU the optimizer clears the gradients: where they are to be seen, as in histograms, they are put back.
    @Test func gradientsCanBeSeenAfterTheOptimizer() throws {
        let recipe = try SyntheticCorpus.recipe()
        try withEmulatedDeviceKernels {
            let group = try #require(PretrainingTask(recipe, weights: nil, device: .cpu).groups.first)
            #expect(group.optimizer is FusedAdam && group.optimizer is any QueuedOptimizer)
            let gradients = group.parameters.gradients
            for keeps in [true, false] {
                try group.parameters.clearGradients()
                try gradients.fillInPlace(2)
                try group.step(learningRate: 0.001, gradientScale: 0.25, keepsGradients: keeps)
                #expect(try gradients.elements(Float.self).allSatisfy { $0 == (keeps ? 0.5 : 0) })
            }
        }
    }

    /// Micro-batches of noise, and the order in which they are read.
    private final class Source: MicroBatchSource {
        final class Reader: MicroBatchReader {
            let source: Source
            private var update = 0

            init(_ source: Source) { self.source = source }

            let waitSeconds = 0.0
            func cancel() {}

            func next(through last: Int) throws -> NumberedMicroBatch? {
                guard update <= last else { return nil }
                defer { update += 1 }
                source.events.append("read \(update + 1)")
                let samples = [Float](repeating: 0.1, count: 32_000).enumerated().map { $1 * Float($0 % 7 - 3) }
                return NumberedMicroBatch(
                    update: update, number: 0,
                    batch: MicroBatch([
                        AudioBatch(position: 0, utteranceIndices: [0, 1], lengths: [16_000, 16_000], samples: samples)
                    ]))
            }
        }

        var events: [String] = []
        let isReadAhead = true

        func beginUpdate() -> [Int] { [0] }
        func makeReader() -> any MicroBatchReader { Reader(self) }
        func identifier(_ utterance: Int) -> String { "noise" }
    }

    /// The next update has begun before the host knows whether this one was made; only where that is allowed.
    @Test(arguments: [true, false])
    func theNextUpdateBeginsBefore(_ mayBegin: Bool) throws {
        let recipe = try SyntheticCorpus.recipe(
            Self.settings + [
                "optimization.record_steps=true", "optimization.update_freq=1", "optimization.max_update=3",
            ])
        let source = Source()
        let task = try PretrainingTask(recipe, weights: nil, device: .cpu)
        let step = try UpdateStep(task, source, recipe, logger: CapturedLog().logger())
        for update in 1...3 {
            let sums = try step(
                update, learningRate: 0.001, mayBeginNext: mayBegin,
                changesModel: { source.events.append("\($0 ? "changes" : "keeps") \(update)") })
            source.events.append("made \(update)")
            #expect(sums?.gradientNorm ?? 0 > 0)
        }
        let expected =
            mayBegin
            ? [
                "read 1", "changes 1", "read 2", "made 1", "changes 2", "read 3", "made 2", "changes 3", "made 3",
            ]
            : (1...3).flatMap { ["read \($0)", "changes \($0)", "made \($0)"] }
        #expect(source.events == expected)
    }
}
