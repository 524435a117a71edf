import Foundation
import TestSupport
import Testing
import W2VAudio

/// `pretrain` and `checkpoint average` as scripts use them.
@Suite(.onTestThreads) struct TrainingCommandTests {
    private static let recipe = """
        model: {\(SmallModels.recipe.map { "\($0.key): \($0.value)" }.joined(separator: ", "))}
        objective:
          num_negatives: 5
        masking:
          mask_length: 4
        batching:
          max_tokens: 40000
          required_batch_size_multiple: 1
          effective_batch: 4
        optimization:
          max_update: 4
          warmup_updates: 0
        checkpoint:
          keep_last_checkpoints: 2
        logging:
          log_every: 1
          utilisation: false
        """

    private static func prepare(_ folder: URL) throws -> [String] {
        var lines = [folder.path]
        for index in 0..<6 {
            let samples = tone(25 * Double(index + 3), count: 16_000)
            try AudioFile.write(samples, to: folder.appendingPathComponent("\(index).wav"))
            lines.append("\(index).wav\t16000")
        }
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: folder.appendingPathComponent("all.tsv"))
        try Data(recipe.utf8).write(to: folder.appendingPathComponent("recipe.yaml"))
        return [
            "pretrain", "--recipe", "recipe.yaml", "--train", "all.tsv", "--valid", "all.tsv", "--output", "out",
            "--threads", "1",
        ]
    }

    @Test func aRunIsTriedMadeInPartsAndAveraged() throws {
        try withTemporaryFolder { folder in
            let pretrain = try Self.prepare(folder)
            let tried = try run(pretrain + ["--dry-run", "--json", "--seed", "7"], in: folder)
            #expect(tried.code == 0, "\(tried.errors)")
            let object = try tried.json()
            for key in [
                "parameters", "utterances", "effective_batch", "audio_seconds_per_update", "loss", "seconds_per_update",
                "remaining_updates", "seconds_to_finish", "peak_rss_mb", "memory_mb", "checkpoint_mb", "weights_mb",
                "disk_needed_mb", "disk_free_mb",
            ] {
                #expect(object[key] is NSNumber, "\(key)")
            }
            #expect(tried.errors.contains("seed 7"))
            #expect(tried.errors.contains("WARNING: an update takes 1 sub-batches"))
            #expect(!FileManager.default.fileExists(atPath: folder.appendingPathComponent("out").path))
            let text = try run(pretrain + ["--dry-run"], in: folder)
            #expect(text.code == 0 && text.output.contains("  disk     "))

            let paused = try run(pretrain + ["--effective-batch", "2", "--epochs-this-job", "1"], in: folder)
            #expect(paused.code == 0, "\(paused.errors)")
            #expect(paused.errors.contains("1 concatenated × 2 accumulated = 2 sub-batches"))
            #expect(paused.errors.contains("this job's epochs are done"))
            // Without a terminal, lines are plain: nothing is updated in place.
            #expect(!paused.errors.contains("\r") && !paused.errors.contains("s an update · ETA"))
            let finished = try run(pretrain + ["--effective-batch", "2", "--resume"], in: folder)
            #expect(finished.code == 0 && finished.errors.contains("finished after update 4"), "\(finished.errors)")

            let average = try run(["checkpoint", "average", "--last", "2", "out", "--output", "mean"], in: folder)
            #expect(average.code == 0, "\(average.errors)")
            let inspected = try run(["checkpoint", "inspect", "mean", "--json"], in: folder)
            #expect(try inspected.json()["task"] as? String == "pretraining")
            let again = try run(["checkpoint", "average", "out/last", "out/best", "--output", "mean"], in: folder)
            #expect(again.code == 64 && again.errors.contains("exists already"))
            let few = try run(["checkpoint", "average", "--last", "9", "out", "--output", "other"], in: folder)
            #expect(few.code == 64 && few.errors.contains("holds 2 states"))
            let named = try run(["checkpoint", "average", "out/last", "out/best", "--output", "other"], in: folder)
            #expect(named.code == 0, "\(named.errors)")
        }
    }

    @Test func aRunsFolderIsEnoughToResume() throws {
        try withTemporaryFolder { folder in
            let pretrain = try Self.prepare(folder)
            let set = ["--set", "validation.every=2", "--seed", "5"]
            let paused = try run(pretrain + set + ["--epochs-this-job", "1"], in: folder)
            #expect(paused.code == 0 && paused.errors.contains("this job's epochs are done"), "\(paused.errors)")
            let file = folder.appendingPathComponent("out/run.json")
            func record() throws -> [String: Any] {
                try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
            }
            let first = try record()
            let lists = first["train"] as? [[String: Any]]
            #expect(
                (lists?[0]["path"] as? String)?.hasSuffix("/all.tsv") == true
                    && first["recipe_name"] as? String == "recipe.yaml")
            let values = first["recipe"] as? [String: String] ?? [:]
            #expect(values["validation.every"] == "2 updates" && values["seed"] == "5")
            let jobs = first["jobs"] as? [[String: Any]] ?? []
            #expect(
                jobs.count == 1 && jobs[0]["arguments"] as? [String] == pretrain + set + ["--epochs-this-job", "1"])
            #expect(jobs[0]["threads"] as? Int == 1 && jobs[0]["version"] is String)

            // From another folder, without the recipe's file.
            try FileManager.default.removeItem(at: folder.appendingPathComponent("recipe.yaml"))
            let resume = ["pretrain", "--resume", "--output", folder.path + "/out"]
            let longer = try run(resume + ["--set", "optimization.max_update=500", "--epochs-this-job", "1"])
            #expect(longer.code == 0, "\(longer.errors)")
            #expect(longer.errors.contains("optimization.max_update 4 → 500"), "\(longer.errors)")
            #expect(longer.errors.contains("--set optimization.max_update=4 takes it back"))
            let listed = try run("runs", folder.path)
            #expect(listed.output.contains(" pre-training ") && listed.output.contains("stopped"), "\(listed.output)")
            // What was changed stays so, until it is taken back.
            let again = try run(resume + ["--dry-run", "--json"])
            #expect(again.code == 0 && !again.errors.contains(" → "), "\(again.errors)")
            let update = try #require(try run("runs", folder.path, "--json").json()["update"] as? Int)
            let back = try run(resume + ["--set", "optimization.max_update=\(update + 1)"])
            #expect(back.code == 0 && back.errors.contains("optimization.max_update 500 → \(update + 1)"))
            #expect(back.errors.contains("finished after update \(update + 1)"), "\(back.errors)")
            let changes = (try record()["jobs"] as? [[String: Any]] ?? []).compactMap { $0["changes"] as? [String] }
            #expect(
                changes == [
                    [], ["optimization.max_update 4 → 500"], ["optimization.max_update 500 → \(update + 1)"],
                ])
            let object = try run("runs", folder.path + "/out", "--json").json()
            #expect(object["state"] as? String == "finished" && object["max_update"] as? Int == update + 1)
            let best = object["best"] as? [String: Any]
            #expect(best?["metric"] as? String == "loss" && best?["value"] is Double)
            #expect(object["checkpoint"] as? String == folder.path + "/out/best")
        }
    }

    @Test func aStartNamesWhereItsWeightsComeFrom() throws {
        try withTemporaryFolder { folder in
            let pretrain = try Self.prepare(folder)
            #expect(try run(pretrain + ["--set", "optimization.max_update=1"], in: folder).code == 0)
            var more = pretrain
            more[more.firstIndex(of: "out")!] = "more"
            let started = try run(more + ["--from", "out", "--set", "optimization.max_update=1"], in: folder)
            #expect(started.code == 0, "\(started.errors)")
            let file = folder.appendingPathComponent("more/run.json")
            let record = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
            let origin = record?["origin"] as? [String: Any]
            #expect(origin?["given"] as? String == "out" && (origin?["path"] as? String)?.hasSuffix("out/best") == true)
            #expect((origin?["fingerprint"] as? String)?.count == 16)
        }
    }

    @Test func whatIsMissingIsNamed() throws {
        try withTemporaryFolder { folder in
            let nothing = try run(["pretrain", "--resume", "--output", "none"], in: folder)
            #expect(nothing.code == 64 && nothing.errors.contains("none holds no run to continue"), "\(nothing.errors)")
            let recipe = try run(["pretrain", "--output", "none", "--train", "a", "--valid", "b"], in: folder)
            #expect(recipe.code == 64 && recipe.errors.contains("--recipe is missing"))
            #expect(try run(["runs"], in: folder).output == "")
            #expect(try run(["runs", "none"], in: folder).code == 65)
        }
    }

    @Test func whatHasNoEffectIsTold() throws {
        try withTemporaryFolder { folder in
            let pretrain = try Self.prepare(folder)
            let first = try run(pretrain + ["--set", "optimization.max_update=1"], in: folder)
            #expect(first.code == 0, "\(first.errors)")
            let recipe = folder.appendingPathComponent("recipe.yaml")
            try Data((Self.recipe + "\nctc:\n  freeze_finetune_updates: 3\n").utf8).write(to: recipe)
            var more = pretrain
            more[more.firstIndex(of: "out")!] = "more"
            let told = try run(
                more + ["--from", "out/last", "--set", "model.encoder_layers=2", "--set", "model.encoder_layers=3"],
                in: folder)
            #expect(told.code == 0, "\(told.errors)")
            #expect(told.errors.contains("WARNING: model.encoder_layers=3 has no effect"))
            let again = try run(
                ["finetune"] + pretrain.dropFirst() + ["--resume", "--set", "optimization.max_update=2"], in: folder)
            #expect(again.code == 64 && again.errors.contains("holds a pre-training run"), "\(again.errors)")
        }
    }

    @Test func wrongOptionsAreSixtyFour() throws {
        try withTemporaryFolder { folder in
            let pretrain = try Self.prepare(folder)
            for (options, text) in [
                (["--json"], "--dry-run"), (["--epochs-this-job", "0"], "at least 1"),
                (["--effective-batch", "4", "--set", "optimization.update_freq=2"], "--set gives as well"),
                (["--set", "masking.mask_prob=65"], "masking.mask_prob is 65; it must be a share from 0 to 1"),
                (["--set", "objective.num_negatives=-1"], "at least 0"),
                (["--set", "model.conv_pos=9223372036854775807"], "out of reach"),
                (["--set", "distributed.timeout=1e300"], "out of reach"),
                (["--set", "checkpoint.keep_milestones=5 minutes"], "not minutes"),
                (["--set", "watch.divergence=0.5"], "more than 1"),
            ] {
                let outcome = try run(pretrain + options, in: folder)
                #expect(outcome.code == 64, "\(options): \(outcome.errors)")
                #expect(outcome.errors.contains(text), "\(options): \(outcome.errors)")
            }
            #expect(try run(["checkpoint", "average", "--output", "x"]).code == 64)
            #expect(try run(["checkpoint", "average", "a", "b", "--last", "2", "--output", "x"]).code == 64)
        }
    }
}
