import Foundation
import TestSupport
import Testing
import W2VAudio

@Suite(.onTestThreads) struct BenchmarkTests {
    private func trace(_ file: URL) throws -> [[String: Any]] {
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        return try #require(object?["traceEvents"] as? [[String: Any]])
    }

    /// Every stage of a pre-training step takes time, forward and backward; together they make up the step.
    @Test func profilesSumToTheStep() throws {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("step.json")
            let outcome = try run(
                "benchmark", "pretrain", "--utterances", "1x0.3", "--repetitions", "1", "--profile", "--trace",
                file.path, "--json")
            #expect(outcome.code == 0, "\(outcome.errors)")
            let object = try outcome.json()
            let profile = try #require(object["profile"] as? [String: Any])
            let rows = try #require(profile["stages"] as? [[String: Any]])
            let expected = [
                "data wait", "masks and negatives", "extractor layer 1", "extractor layers 2-7", "projection",
                "positional convolution", "attention", "feed-forward", "norms and elementwise", "quantizer",
                "contrastive", "optimizer", "other",
            ]
            #expect(rows.compactMap { $0["stage"] as? String } == expected)
            func sum(_ key: String) -> Double { rows.reduce(0) { $0 + ($1[key] as? Double ?? .nan) } }
            let step = try #require(profile["step_s"] as? Double)
            #expect(abs(sum("forward_s") + sum("backward_s") - step) < 1e-6 * step)
            #expect(abs(sum("share") - 1) < 1e-6)
            for row in rows where expected[2...10].contains(row["stage"] as? String ?? "") {
                for key in ["forward_s", "backward_s"] { #expect((row[key] as? Double ?? 0) > 0, "\(row)") }
            }
            try expectNested(trace(file))
        }
    }

    /// Little of a step is unnamed, and profiling costs little.
    @Test(.timed) func profilesAreOfTheStep() throws {
        let outcome = try run(
            "benchmark", "pretrain", "--utterances", "1x0.3", "--repetitions", "1", "--profile", "--json")
        let object = try outcome.json()
        let profile = try #require(object["profile"] as? [String: Any])
        let rows = try #require(profile["stages"] as? [[String: Any]])
        #expect((rows.last?["share"] as? Double ?? 1) < 0.1)
        let (step, whole) = (profile["step_s"] as? Double ?? 0, object["median_s"] as? Double ?? 0)
        #expect(abs(step - whole) < 0.03 * whole)
    }

    /// A thread's spans are nested or disjoint; otherwise Perfetto shows them wrongly.
    private func expectNested(_ events: [[String: Any]]) throws {
        let spans = events.filter { $0["ph"] as? String == "X" }
        for category in ["stage", "backward", "operator"] {
            #expect(spans.contains { $0["cat"] as? String == category }, "\(category)")
        }
        var open: [Double] = []
        let ordered = try spans.map { span in
            let (start, duration) = (try #require(span["ts"] as? Double), try #require(span["dur"] as? Double))
            return (start: start, end: start + duration)
        }.sorted { ($0.start, $1.end) < ($1.start, $0.end) }
        for span in ordered {
            while let last = open.last, last <= span.start { open.removeLast() }
            #expect(span.end <= (open.last ?? .infinity) + 0.01)
            open.append(span.end)
        }
    }

    /// A checkpoint's own weights are timed, and random ones of the same architecture.
    @Test func checkpointsAreTimed() throws {
        try withTemporaryFolder { folder in
            let pretrained = try SmallModels.checkpoint(in: folder).path
            let tuned = try SmallModels.ctcCheckpoint(in: folder).path
            let shape = ["--utterances", "1x0.3", "--repetitions", "1", "--json"]
            for (task, checkpoint) in [
                ("pretrain", pretrained), ("finetune", pretrained), ("finetune", tuned), ("inference", tuned),
            ] {
                let own = try run(["benchmark", task, "--checkpoint", checkpoint] + shape)
                #expect(own.code == 0, "\(task) \(checkpoint): \(own.errors)")
                #expect(try own.json()["weights"] as? String == checkpoint)
                let random = try run(["benchmark", task, "--checkpoint", checkpoint, "--random-weights"] + shape)
                #expect(try (random.json()["weights"] as? String)?.hasPrefix("random, of") == true)
                // The architecture is the checkpoint's.
                #expect(try own.json()["operations"] as? Double == random.json()["operations"] as? Double)
            }
            let wrong = try run(["benchmark", "pretrain", "--checkpoint", tuned] + shape)
            #expect(wrong.code == 65 && wrong.errors.contains("tuned holds a ctc model"), "\(wrong.errors)")
            #expect(try run("benchmark", "pretrain", "--random-weights").code == 64)
            #expect(
                try run("benchmark", "pretrain", "--checkpoint", pretrained, "--hourglass", "[1,(1,2),1]").code == 64)
        }
    }

    /// There are enough recordings for warm-up and timed steps.
    @Test func trainingStepsTakeRecordings() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let outcome = try run(
                "benchmark", "finetune", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest,
                "--utterances", "2x1", "--repetitions", "3", "--json")
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try (outcome.json()["step_s"] as? [Double])?.count == 3)
        }
    }

    @Test func latenciesAreToldByBatchSize() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let command = [
                "benchmark", "inference", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest,
            ]
            let outcome = try run(command + ["--batch-sizes", "1,2", "--warmup", "1", "--json"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            let rows = try #require(try outcome.json()["batch_sizes"] as? [[String: Any]])
            #expect(rows.compactMap { $0["batch_size"] as? Int } == [1, 2])
            #expect(rows.compactMap { $0["batches"] as? Int } == [3, 1])
            for row in rows {
                func latency(_ part: String, _ key: String) throws -> Double {
                    try #require((row[part] as? [String: Double])?[key], "\(part) \(key)")
                }
                let mean = try latency("data", "mean_s") + latency("network", "mean_s")
                let total = try latency("total", "mean_s")
                #expect(abs(total - mean) < 1e-9 && mean > 0)
                for part in ["data", "network", "total"] {
                    let quantiles = try ["p90_s", "p95_s", "p99_s"].map { try latency(part, $0) }
                    let mean = try latency(part, "mean_s")
                    #expect(quantiles == quantiles.sorted() && quantiles[2] >= mean)
                }
                let factor = try #require(row["real_time_factor"] as? Double)
                #expect(abs(factor * (row["audio_s_per_s"] as? Double ?? 0) - 1) < 1e-9)
            }
            let short = URL(fileURLWithPath: fixture.audio).appendingPathComponent("0.wav")
            try AudioFile.write([0.1, 0.2, 0.3], to: short)
            let refused = try run(command + ["--batch-sizes", "4"])
            #expect(refused.code == 65 && refused.errors.contains("0.wav") && refused.errors.contains("400"))
        }
    }

    @Test func decodingIsTimedByThreads() throws {
        let outcome = try run(
            "benchmark", "data", "--files", "1", "--formats", "flac", "opus", "--threads", "2", "--repetitions", "1",
            "--steps", "0", "--audio-s-per-s", "1000", "--json")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let object = try outcome.json()
        let corpora = try #require(object["corpora"] as? [[String: Any]])
        #expect(corpora.compactMap { $0["format"] as? String } == ["flac", "opus"])
        for corpus in corpora {
            let rows = try #require(corpus["threads"] as? [[String: Any]])
            #expect(rows.compactMap { $0["threads"] as? Int } == [1, 2])
            #expect(rows.allSatisfy { $0["hours_per_s"] as? Double ?? 0 > 0 })
            let core = try #require(rows.last?["hours_per_s_and_core"] as? Double)
            #expect(abs((corpus["cores_needed"] as? Double ?? 0) - 1000 / 3600 / core) < 1e-9)
        }
    }

    @Test func kernelsAreTimedBothWays() throws {
        let outcome = try run("benchmark", "kernels", "--utterances", "1x0.3", "--repetitions", "1", "--json")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let object = try outcome.json()
        let kernels = try #require(object["kernels"] as? [[String: Any]])
        #expect(kernels.count == 13)
        for kernel in kernels {
            let name = kernel["kernel"] as? String ?? ""
            for direction in ["forward", "backward"] where (name, direction) != ("Adam", "backward") {
                let pass = try #require(kernel[direction] as? [String: Double], "\(name) \(direction)")
                #expect((pass["median_s"] ?? 0) > 0 && (pass["share_of_peak"] ?? 0.5) > 0, "\(name)")
            }
        }
        #expect((object["peak_bytes_per_s"] as? Double ?? 0) > 1e8)
    }

    @Test func kernelsOfAnHourglassAreCompared() throws {
        let outcome = try run(
            "benchmark", "kernels", "--utterances", "0.3,0.5", "--hourglass", "[1,(2,4),1]", "--verify", "--json")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let object = try outcome.json()
        #expect(object["hourglass"] as? String == "[1,(2,4),1]")
        let names = try #require(object["kernels"] as? [[String: Any]]).compactMap { $0["kernel"] as? String }
        #expect(names.count == 16)
        #expect(names.contains("shortening and expanding") && names.contains("attention, a short layer"))
    }

    /// A reference is small, agrees with the same kernels, and with no others.
    @Test func kernelsAreComparedWithAFile() throws {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("kernels.safetensors").path
            let common = ["benchmark", "kernels", "--utterances", "0.3,0.5"]
            let saved = try run(common + ["--save-reference", file])
            #expect(saved.code == 0 && saved.output.isEmpty, "\(saved.errors)")
            #expect(try Data(contentsOf: URL(filePath: file)).count < 4_000_000)
            let outcome = try run(common + ["--verify", "--reference", file, "--json"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            let kernels = try #require(outcome.json()["kernels"] as? [[String: Any]])
            #expect(kernels.count == 13)
            for kernel in kernels {
                #expect((kernel["forward"] as? Double ?? 1) < 2e-6 && (kernel["backward"] as? Double ?? 0) < 2e-6)
            }
            let half = try run(common + ["--verify", "--reference", file, "--precision", "bf16", "--json"])
            #expect(half.code == 0, "\(half.errors)")
            let rounded = try #require(half.json()["kernels"] as? [[String: Any]])
            #expect(rounded.contains { ($0["forward"] as? Double ?? 0) > 1e-4 })
            let other = try run("benchmark", "kernels", "--utterances", "0.4,0.5", "--verify", "--reference", file)
            #expect(other.code == 65 && other.errors.contains("--utterances 0.3,0.5"), "\(other.errors)")
        }
    }

    /// Without a GPU: what a step costs the host, and how much less a replayed recording does.
    @Test func theHostsPartIsMeasuredOnTheMetaDevice() throws {
        func report(_ more: String...) throws -> [String: Any] {
            let common = ["benchmark", "pretrain", "--device", "meta", "--precision", "bf16", "--json"]
            let outcome = try run(
                common + ["--utterances", "4x1", "--sub-batches", "2", "--repetitions", "2"] + more)
            #expect(outcome.code == 0, "\(outcome.errors)")
            return try outcome.json()
        }
        let (step, replay) = (try report(), try report("--record-steps"))
        for object in [step, replay] {
            #expect(object["device"] as? String == "meta" && object["sub_batches"] as? Int == 2)
            #expect((object["host_s"] as? Double ?? 0) > 0 && (object["median_s"] as? Double ?? 0) > 0)
            #expect((object["host_step_s"] as? [Double])?.count == 2)
        }
        let (operators, kernels) = (step["operators"] as? Int ?? 0, step["kernels"] as? Int ?? 0)
        #expect(operators > 500 && kernels > 50)
        #expect((replay["operators"] as? Int ?? .max) < operators / 3)
        #expect((replay["kernels"] as? Int ?? .max) < 10)
    }

    @Test func impossibleOptionsAreRefused() throws {
        for (arguments, words) in [
            (["pretrain", "--trace", "a.json"], "--profile"), (["inference", "--batch-sizes", "1,0"], "batch-sizes"),
            (["inference", "--manifest", "a.tsv", "--profile"], "--utterances"),
            (["data", "--audio-s-per-s", "0"], "--audio-s-per-s"), (["data", "--files", "0"], "--files"),
            (["kernels", "--repetitions", "0"], "--repetitions"), (["kernels", "--reference", "a"], "--verify"),
            (["kernels", "--verify", "--save-reference", "a"], "--save-reference"),
            (["finetune", "--device", "meta"], "--device meta"), (["inference", "--device", "meta"], "--device meta"),
            (["pretrain", "--utterances", "3x1", "--sub-batches", "2"], "--sub-batches"),
        ] {
            let outcome = try run(["benchmark"] + arguments)
            #expect(outcome.code == 64 && outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
        }
    }

    @Test func trainsInHalfPrecision() throws {
        let outcome = try run(
            "benchmark", "pretrain", "--utterances", "1x0.3", "--repetitions", "1", "--precision", "fp16", "--json")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let object = try outcome.json()
        #expect(object["precision"] as? String == "fp16")
        #expect(object["peak_device_mb"] is NSNull)
    }

    @Test func bytesAreNotForTraining() throws {
        let outcome = try run("benchmark", "finetune", "--precision", "int8")
        #expect(outcome.code == 64)
        #expect(outcome.errors.contains("int8 is for inference"))
    }
}
