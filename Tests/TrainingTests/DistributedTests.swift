import Foundation
import Synchronization
import TestSupport
import Testing
import W2VBackbone
import W2VCluster
import W2VCorpus
import W2VTorch

@testable import W2VTraining

/// Several processes, each on a thread of its own, compared with a single one that does the same.
@Suite(.onTestThreads, .serialized) struct DistributedTests {
    let corpus: SyntheticCorpus

    init() throws {
        // As in the other suites: half-precision sums depend on the number of threads.
        LibTorch.threads = 1
        corpus = try SyntheticCorpus(utterances: 22)
    }

    /// Trains as `size` processes would; returns rank 0's messages.
    @discardableResult
    private func train(
        _ job: TrainingJob, processes size: Int, stopAfter updates: Int? = nil, others: TrainingJob? = nil,
        inspect: @escaping @Sendable (Trainer) -> Void = { _ in }
    ) async throws -> [String] {
        let port = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 5).port
        let results = await withTaskGroup(of: (Int, Result<[String], any Error>).self) { tasks in
            for rank in 0..<size {
                tasks.addTask {
                    await withCheckedContinuation { continuation in
                        Thread {
                            let layout = ProcessLayout(
                                rank: rank, size: size, localRank: rank, host: "127.0.0.1", port: port)
                            let result = Result<[String], any Error> {
                                var options = Cluster.Options()
                                (options.joinTimeout, options.timeout) = (60, 60)
                                let cluster = try Cluster.join(layout, handshake: job.handshake, options: options)
                                defer { cluster.leave() }
                                return try cluster.reportingFailure {
                                    let log = CapturedLog()
                                    let own = rank == 0 ? job : others ?? job
                                    let trainer = try Trainer(own, among: cluster, logger: log.logger())
                                    // One process gets the signal; all stop after the same update.
                                    _ = try trainer.run {
                                        rank == size - 1 && trainer.state.update + 1 == updates ? SIGTERM : nil
                                    }
                                    inspect(trainer)
                                    return log.lines
                                }
                            }
                            continuation.resume(returning: (rank, result))
                        }.start()
                    }
                }
            }
            var results: [Int: Result<[String], any Error>] = [:]
            for await (rank, result) in tasks { results[rank] = result }
            return results
        }
        let lines = try results[0]?.get() ?? []
        for rank in 1..<size { #expect(try results[rank]?.get().isEmpty == true) }
        return lines
    }

    /// All processes learn of the damaged recording, so that all can send their shares of the state.
    @Test(arguments: [false, true])
    func aDamagedHeldOutRecordingCostsNothing(isSharded: Bool) async throws {
        let settings = [
            "checkpoint.save_every=100", "optimization.max_update=4", "batching.max_tokens=24000",
            "distributed.zero_sharding=\(isSharded)",
        ]
        try await train(corpus.job(.pretraining, "straight", settings), processes: 2)
        let whole = try Data(contentsOf: corpus.file("valid23.wav"))
        try whole.prefix(20).write(to: corpus.file("valid23.wav"))
        var job = try corpus.job(.pretraining, "broken", settings)
        do {
            try await train(job, processes: 2)
            Issue.record("half a recording was measured")
        } catch {
            #expect("\(error)".contains("valid23.wav"))
        }
        #expect(try TrainingState.read(corpus.file("broken/last")).update == 3)
        try whole.write(to: corpus.file("valid23.wav"))
        job.resume = true
        try await train(job, processes: 2)
        for folder in ["last", "best"] {
            #expect(try corpus.bytes("broken", folder) == corpus.bytes("straight", folder))
        }
    }

    /// As on machines with separate copies: the paths are equal in the handshake, and the contents differ.
    @Test func otherDataInAnotherProcessIsRefused() async throws {
        func refused(_ task: TrainingJob.Kind, _ output: String, _ change: (inout TrainingJob) throws -> Void)
            async throws -> String
        {
            let job = try corpus.job(task, output, ["optimization.max_update=1"])
            var other = job
            try change(&other)
            do {
                try await train(job, processes: 2, others: other)
                Issue.record("two processes learned from different data")
                return ""
            } catch {
                #expect(error is ClusterError || (error as? TrainingError)?.kind == .input)
                return "\(error)"
            }
        }
        let lines = try String(contentsOf: corpus.file("train.tsv"), encoding: .utf8).split(separator: "\n")
        func list(_ name: String, _ lines: [Substring]) throws -> [WeightedManifest] {
            try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: corpus.file(name))
            return [WeightedManifest(corpus.file(name))]
        }
        let shorter = try await refused(.pretraining, "a") { $0.train = try list("short.tsv", Array(lines.dropLast())) }
        #expect(
            shorter.contains("the training list \(corpus.file("train.tsv").path) of rank 1")
                && shorter.contains("it has 21 utterances of") && shorter.contains("there and 22 utterances of"),
            "\(shorter)")
        let order = try await refused(.pretraining, "b") {
            $0.train = try list("order.tsv", [lines[0]] + lines.dropFirst().reversed())
        }
        #expect(order.contains("but other ones, or in another order"), "\(order)")
        let held = try await refused(.pretraining, "c") { $0.valid = [WeightedManifest(corpus.file("train.tsv"))] }
        #expect(held.contains("the validation list \(corpus.file("valid.tsv").path) of rank 1"), "\(held)")
        // Another dictionary, which numbers the labels differently; and other transcripts.
        let folder = corpus.file("other")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["train.tsv", "train.ltr", "dict.ltr.txt"] {
            try FileManager.default.copyItem(at: corpus.file(name), to: folder.appendingPathComponent(name))
        }
        try Data("a 1\n| 1\nb 1\nc 1\n".utf8).write(to: folder.appendingPathComponent("dict.ltr.txt"))
        let elsewhere = { (job: inout TrainingJob) in
            job.train = [WeightedManifest(folder.appendingPathComponent("train.tsv"))]
        }
        let dictionary = try await refused(.finetuning, "d", elsewhere)
        #expect(dictionary.contains("the dictionary"), "\(dictionary)")
        let text = try String(contentsOf: corpus.file("train.ltr"), encoding: .utf8)
        try Data(("c c c |\n" + text.drop { $0 != "\n" }.dropFirst()).utf8).write(
            to: folder.appendingPathComponent("train.ltr"))
        #expect(try await refused(.finetuning, "e", elsewhere).contains("the training list"))
        #expect("\(WeightedManifest(folder, weight: 2))" == "\(folder.path):2.0")
    }

    private func weights(_ output: String) throws -> [String: Tensor] {
        try TensorFile.read(corpus.file(output + "/last/model.safetensors"))
    }

    /// Adam's first moments: the mean of all updates' gradients, weighted toward the newest.
    private func gradients(_ output: String) throws -> [String: Tensor] {
        let state = try TensorFile.read(corpus.file(output + "/last/optimizer.safetensors"))
        let moments = state.filter { $0.key.hasSuffix(".exp_avg") }
        #expect(!moments.isEmpty)
        return moments
    }

    /// Expects that no tensor differs by more than 1e-5 of its largest magnitude.
    private func expectSame(_ left: [String: Tensor], _ right: [String: Tensor]) throws {
        #expect(Set(left.keys) == Set(right.keys))
        for (name, tensor) in left {
            let other = try #require(right[name])
            // Attention does not depend on the keys' bias: its gradient is only rounding noise.
            let error =
                name.hasSuffix("k_proj.bias") || name.contains("qkv_proj.bias")
                ? try (tensor - other).norm().item() : try relativeError(tensor, other)
            #expect(error < 1e-5, "\(name)")
        }
    }

    /// Sums in a different order differ in their last bits.
    ///
    /// For gradients that are hardly larger, Adam would make full-size steps; this ε exceeds them.
    private static let steady = "optimization.adam_eps=0.01"

    // LayerDrop and dropout stay on: their draws depend on update and micro-batch, not on the process.
    @Test(arguments: [(2, 1, 2), (2, 2, 1), (4, 1, 1), (4, 1, 2), (4, 2, 1)])
    func pretrainingEqualsASingleProcess(processes: Int, concatenated: Int, accumulated: Int) async throws {
        func options(_ accumulated: Int) -> [String] {
            [
                "batching.num_concat_batches=\(concatenated)", "optimization.update_freq=\(accumulated)",
                "optimization.max_update=4", "batching.max_tokens=24000", "distributed.bucket_cap_mb=0.02",
                "distributed.check_every=2", Self.steady,
            ]
        }
        try await train(corpus.job(.pretraining, "many", options(accumulated)), processes: processes)
        _ = try Trainer(corpus.job(.pretraining, "one", options(accumulated * processes))).run()
        try expectSame(weights("many"), weights("one"))
        try expectSame(gradients("many"), gradients("one"))
        let (many, one) = (try corpus.metrics("many"), try corpus.metrics("one"))
        #expect(many.count == one.count)
        for (left, right) in zip(many, one) {
            for key in ["loss", "accuracy", "code_perplexity", "utterances", "grad_norm"] {
                guard let a = left[key] as? Double, let b = right[key] as? Double else { continue }
                #expect(abs(a - b) <= 1e-4 * abs(b), "\(key) of \(left["event"] ?? "")")
            }
        }
    }

    @Test(arguments: [2, 4])
    func finetuningOfUnequalLengthsEqualsASingleProcess(processes: Int) async throws {
        let options = [
            "batching.num_concat_batches=1", "batching.max_tokens=40000", "optimization.max_update=4", Self.steady,
        ]
        try await train(
            corpus.job(.finetuning, "many", options + ["optimization.update_freq=1"]), processes: processes)
        _ = try Trainer(corpus.job(.finetuning, "one", options + ["optimization.update_freq=\(processes)"])).run()
        try expectSame(weights("many"), weights("one"))
        try expectSame(gradients("many"), gradients("one"))
        let wer = { (metrics: [[String: Any]]) in metrics.compactMap { $0["wer"] as? Double } }
        // Three held-out utterances for four processes: each is measured once.
        #expect(try !wer(corpus.metrics("many")).isEmpty)
        #expect(try wer(corpus.metrics("many")) == wer(corpus.metrics("one")))
    }

    @Test func halfPrecisionEqualsASingleProcess() async throws {
        let options = [
            "precision.mode=bf16", "batching.num_concat_batches=1", "batching.max_tokens=24000",
            "optimization.max_update=3",
        ]
        try await train(
            corpus.job(.pretraining, "many", options + ["optimization.update_freq=1"]), processes: 2)
        _ = try Trainer(corpus.job(.pretraining, "one", options + ["optimization.update_freq=2"])).run()
        try expectSame(weights("many"), weights("one"))
    }

    @Test func resumesBitForBitAndOnAnyNumberOfProcesses() async throws {
        let options = ["batching.num_concat_batches=1", "batching.max_tokens=24000", Self.steady]
        let two = try corpus.job(.pretraining, "two", options + ["optimization.update_freq=2"])
        try await train(two, processes: 2)
        var parts = try corpus.job(.pretraining, "parts", options + ["optimization.update_freq=2"])
        let lines = try await train(parts, processes: 2, stopAfter: 3)
        #expect(lines.last?.contains("stopped by signal 15 after update 3") == true)
        parts.resume = true
        try FileManager.default.copyItem(at: corpus.file("parts"), to: corpus.file("other"))
        try await train(parts, processes: 2)
        #expect(try corpus.bytes("parts")["model.safetensors"] == corpus.bytes("two")["model.safetensors"])
        // On four processes the sums are added in a different order.
        var other = try corpus.job(.pretraining, "other", options + ["optimization.update_freq=1"])
        other.resume = true
        try await train(other, processes: 4)
        try expectSame(weights("other"), weights("two"))
    }

    // MARK: - Sharded optimizers

    private static let short = [
        "batching.num_concat_batches=1", "batching.max_tokens=24000", "optimization.update_freq=1",
        "optimization.max_update=3", "distributed.check_every=1", "checkpoint.save_every=2",
    ]

    @Test(arguments: [
        (2, ["optimization.ema=0.9"]), (2, ["optimization.ema=0.9", "precision.mode=bf16"]),
        (4, ["optimization.ema=0.9", "optimization.clip_norm=0.1", steady]),
        (2, ["optimization.optimizer=lamb", "optimization.lr=0.01"]),
    ])
    func shardedOptimizersMakeTheSameUpdates(processes: Int, options: [String]) async throws {
        let options = Self.short + options + ["logging.histogram_every=1"]
        let gradients = Mutex<[Double]>([])
        @Sendable func noteGradients(_ trainer: Trainer) {
            guard trainer.cluster?.isLeader == true else { return }
            gradients.withLock { $0.append((try? gradientHistograms(trainer.task.groups)[0].1.sum) ?? 0) }
        }
        try await train(corpus.job(.pretraining, "whole", options), processes: processes, inspect: noteGradients)
        let held = Mutex<[Int]>([])
        let all = Mutex(0)
        try await train(
            corpus.job(.pretraining, "sharded", options + ["distributed.zero_sharding=true"]), processes: processes
        ) { trainer in
            noteGradients(trainer)
            let group = trainer.task.groups[0]
            let sizes = [group.optimizer.moments.first, group.optimizer.moments.second, group.parameters.masters].map(
                \.count)
            #expect(Set(sizes).count == 1 && group.average?.values.count ?? sizes[0] == sizes[0])
            held.withLock { $0.append(sizes[0]) }
            all.withLock { $0 = group.parameters.gradients.count }
        }
        let (shares, total) = (held.withLock { $0 }, all.withLock { $0 })
        #expect(shares.count == processes && shares.reduce(0, +) == total)
        #expect(shares.allSatisfy { $0 <= total / processes + 16 })
        let norms = gradients.withLock { $0 }
        #expect(norms.count == 2 && norms[0] > 0 && abs(norms[1] - norms[0]) < 1e-4 * norms[0])
        // More than two summands are added in a different order, and so are the norms of parameters in two shards.
        guard processes == 2, !options.contains("optimization.optimizer=lamb") else {
            return try expectSame(weights("sharded"), weights("whole"))
        }
        for folder in ["last", "best"] {
            let (sharded, whole) = (try corpus.bytes("sharded", folder), try corpus.bytes("whole", folder))
            for file in Set(whole.keys).subtracting(["training_state.json"]) {
                #expect(sharded[file] == whole[file], "\(folder)/\(file)")
            }
            #expect(sharded.keys == whole.keys)
        }
        let values = { (output: String) in try corpus.metrics(output).compactMap { $0["loss"] as? Double } }
        #expect(try values("sharded") == values("whole"))
    }

    @Test func aShardedStateGoesOnWithAnyNumberOfProcesses() async throws {
        func job(_ output: String, _ accumulated: Int, sharded: Bool) throws -> TrainingJob {
            var job = try corpus.job(
                .pretraining, output,
                Self.short + [
                    "optimization.update_freq=\(accumulated)", "optimization.max_update=5", Self.steady,
                    "distributed.zero_sharding=\(sharded)",
                ])
            job.resume = true
            return job
        }
        try await train(job("straight", 2, sharded: false), processes: 2)
        try await train(job("parts", 2, sharded: true), processes: 2, stopAfter: 2)
        try FileManager.default.copyItem(at: corpus.file("parts"), to: corpus.file("again"))
        try await train(job("again", 2, sharded: true), processes: 2)
        #expect(
            try corpus.bytes("again")["optimizer.safetensors"] == corpus.bytes("straight")["optimizer.safetensors"])
        #expect(try corpus.bytes("again")["model.safetensors"] == corpus.bytes("straight")["model.safetensors"])
        // Whole in one process, then in shards of four.
        do {
            let alone = try Trainer(job("parts", 4, sharded: true))
            #expect(try alone.run { alone.state.update == 3 ? SIGTERM : nil } == .stopped(signal: SIGTERM))
        }
        try await train(job("parts", 1, sharded: true), processes: 4)
        try expectSame(weights("parts"), weights("straight"))
    }

    // MARK: - Half precision in transit

    @Test(arguments: ["fp16", "bf16"])
    func gradientsCanBeSummedInHalfPrecision(format: String) async throws {
        let options = Self.short + [Self.steady]
        try await train(corpus.job(.pretraining, "exact", options), processes: 2)
        try await train(
            corpus.job(.pretraining, "half", options + ["distributed.reduce_precision=\(format)"]), processes: 2)
        let norms = { (output: String) in try corpus.metrics(output).compactMap { $0["grad_norm"] as? Double } }
        for (half, exact) in zip(try norms("half"), try norms("exact")) {
            #expect(half != exact && abs(half - exact) < 0.02 * exact)
        }
    }

    /// Recorded backward passes cannot be observed: gradients are sent after them.
    @Test func recordedStepsEqualOthersInSeveralProcesses() async throws {
        func job(_ output: String, records: Bool) throws -> TrainingJob {
            try corpus.job(
                .pretraining, output,
                [
                    "model.encoder_layerdrop=0.3", "data.max_sample_size=16000", "batching.batch_size=2",
                    "batching.num_concat_batches=1", "masking.mask_prob=0.6", "masking.mask_count_multiple=16",
                    "optimization.max_update=6", "optimization.record_steps=\(records)",
                ])
        }
        try await train(job("plain", records: false), processes: 2)
        try await train(job("recorded", records: true), processes: 2)
        let (plain, recorded) = (try corpus.bytes("plain"), try corpus.bytes("recorded"))
        #expect(plain["model.safetensors"] != nil && plain["model.safetensors"] == recorded["model.safetensors"])
    }

    @Test func theEffectiveBatchCountsProcesses() async throws {
        var job = try corpus.job(.pretraining, "run", ["batching.num_concat_batches=1", "optimization.max_update=1"])
        job.effectiveBatch = 4
        let lines = try await train(job, processes: 2)
        #expect(lines.contains { $0.contains("2 processes × 1 concatenated × 2 accumulated = 4 sub-batches") })
        #expect(
            try String(contentsOf: corpus.file("run/recipe.yaml"), encoding: .utf8).contains("update_freq: 2"))
    }

    @Test func aFolderInUseIsRefusedByAll() async throws {
        _ = try Trainer(corpus.job(.pretraining, "run", ["optimization.max_update=1"])).run()
        let job = try corpus.job(.pretraining, "run", ["optimization.max_update=1"])
        await #expect {
            try await train(job, processes: 2)
        } throws: {
            if case TrainingError.outputNotEmpty = $0 { true } else { false }
        }
    }

    @Test func copiesThatDifferAreNoticed() async throws {
        let port = try TCPStore(host: "127.0.0.1", port: 0, serves: true, timeout: 5).port
        let job = try corpus.job(.pretraining, "run", ["distributed.check_every=2", "optimization.max_update=2"])
        let errors = await withTaskGroup(of: String.self) { tasks in
            for rank in 0..<2 {
                tasks.addTask {
                    await withCheckedContinuation { continuation in
                        Thread {
                            var sentence = "no error"
                            do {
                                let layout = ProcessLayout(
                                    rank: rank, size: 2, localRank: 0, host: "127.0.0.1", port: port)
                                let cluster = try Cluster.join(layout, handshake: [:])
                                defer { cluster.leave() }
                                try cluster.reportingFailure {
                                    let trainer = try Trainer(job, among: cluster)
                                    if rank == 1 {
                                        let values = trainer.task.groups[0].parameters.values
                                        try values.narrowed(0, 5..<6).scaleInPlace(1.001)
                                    }
                                    _ = try trainer.run()
                                }
                            } catch {
                                sentence = "\(error)"
                            }
                            continuation.resume(returning: sentence)
                        }.start()
                    }
                }
            }
            var errors: [String] = []
            for await error in tasks { errors.append(error) }
            return errors
        }
        for error in errors { #expect(error.contains("after update 2 the parameters of rank 1 differ")) }
    }

    @Test func microBatchesAreDealtOutByAudio() {
        let samples = [50, 10, 40, 20, 30, 60, 5]
        let shares = (0..<3).map { ProcessShare(rank: $0, size: 3).microBatches(samples: samples) }
        #expect(shares.flatMap { $0 }.sorted() == Array(samples.indices))
        #expect(shares.allSatisfy { $0.count <= 3 })
        let audio = shares.map { $0.reduce(0) { $0 + samples[$1] } }
        #expect((audio.max() ?? 0) - (audio.min() ?? 0) <= 10)
        #expect(ProcessShare.everything.microBatches(samples: samples) == Array(samples.indices))
    }
}
