import Foundation
import TestSupport
import Testing
import W2VAudio
import W2VBackbone
import W2VInterchange
import W2VKernels
import W2VObjectives
import W2VTorch

/// A folder with a tiny random checkpoint, three recordings with labels, and a manifest of them.
struct Fixture {
    static let symbols = SmallModels.symbols
    let folder: URL
    var checkpoint: String { folder.appendingPathComponent("model").path }
    var manifest: String { folder.appendingPathComponent("data/all.tsv").path }
    var audio: String { folder.appendingPathComponent("audio").path }

    init(_ folder: URL) throws {
        self.folder = folder
        for name in ["model", "audio", "data"] {
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        let configuration = try ModelConfiguration.small(
            channels: 8, width: 16, inner: 32, heads: 2, layers: 1, positions: (8, 2))
        let model = try CTCModel(configuration, labels: Self.symbols.count, initializer: .random(seed: 5))
        var description = ModelDescription(task: .ctc, model: configuration)
        description.labels = Self.symbols
        try Checkpoint.write(description, state: model.state(), to: URL(fileURLWithPath: checkpoint))
        var lines = [audio]
        for (index, length) in [9_000, 16_000, 12_345].enumerated() {
            let samples = tone(25 * Double(index + 3), count: length)
            try AudioFile.write(samples, to: URL(fileURLWithPath: audio).appendingPathComponent("\(index).wav"))
            lines.append("\(index).wav\t\(length)")
        }
        try write(lines.joined(separator: "\n") + "\n", to: "data/all.tsv")
        try write("T E A |\nA |\nT E | A |\n", to: "data/all.ltr")
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: folder.appendingPathComponent(name))
    }
}

@Suite(.onTestThreads) struct CommandLineTests {
    @Test func wrongUsageIsSixtyFour() throws {
        for arguments in [
            ["evaluate"], ["nonsense"], ["evaluate", "--checkpoint", "a", "--manifest", "b", "--device", "gpu"],
            ["transcribe", "--checkpoint", "a", "--threads", "0", "x.wav"],
            ["data", "manifest", "a", "--output", "b", "--valid-percent", "100"],
            ["benchmark", "inference", "--utterances", "0x3"],
        ] {
            let outcome = try run(arguments)
            #expect(outcome.code == 64, "\(arguments)")
            #expect(outcome.output == "")
            #expect(outcome.errors.hasPrefix("Error: "))
        }
    }

    @Test func badDataIsSixtyFiveAndNamed() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            func expect(_ text: String, _ arguments: [String]) throws {
                let outcome = try run(arguments)
                #expect(outcome.code == 65, "\(arguments): \(outcome.errors)")
                #expect(outcome.output == "")
                #expect(outcome.errors.hasPrefix("wav2vec2: ") && outcome.errors.contains(text), "\(outcome.errors)")
                #expect(outcome.errors.split(separator: "\n").count == 1)
            }
            func expectEvaluation(_ text: String, _ more: String..., manifest: String? = nil) throws {
                let manifest = manifest ?? fixture.manifest
                try expect(text, ["evaluate", "--checkpoint", fixture.checkpoint, "--manifest", manifest] + more)
            }
            try expect(
                "no-model: there is no such file or folder",
                ["evaluate", "--checkpoint", "no-model", "--manifest", "x"])
            try expectEvaluation("none.tsv: there is no such file", manifest: "none.tsv")
            try expectEvaluation("all.wrd", "--labels", "wrd")
            try fixture.write("T |\n", to: "data/all.ltr")
            try expectEvaluation("has 1 lines")
            try fixture.write("T |\nT |\nT |\n", to: "data/all.ltr")
            try fixture.write("| 1\nE 1\n", to: "dict.txt")
            try expectEvaluation(
                "has 6 symbols, the four specials included", "--dictionary",
                folder.appendingPathComponent("dict.txt").path)
            try FileManager.default.removeItem(atPath: fixture.audio + "/1.wav")
            try expectEvaluation("1 of 3 audio files are missing")
            let fairseq = golden("fairseq_base_ctc.old_style.pt")
            try expect("--dictionary FILE", ["evaluate", "--checkpoint", fairseq, "--manifest", fixture.manifest])
            let place = folder.appendingPathComponent("x").path
            let refused = try run("checkpoint", "convert", fairseq, place, "--to", "native")
            #expect(refused.code == 65 && refused.errors.contains("--dictionary FILE"))
            #expect(!FileManager.default.fileExists(atPath: place))
            let weights = fixture.checkpoint + "/model.safetensors"
            try Data("no weights at all".utf8).write(to: URL(fileURLWithPath: weights))
            try expect("model.safetensors", ["checkpoint", "inspect", fixture.checkpoint])
            let empty = folder.appendingPathComponent("data").path
            try expect("holds no audio files", ["data", "manifest", empty, "--output", "x.tsv"])
        }
    }

    /// The path of a reference's file.
    private func golden(_ name: String) -> String {
        Repository.golden.appendingPathComponent(name).path
    }

    @Test func filesOfOtherProgramsAreUsedAsTheyAre() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let inspected = try run("checkpoint", "inspect", golden("nvidia_base_ctc.pt"), "--json").json()
            #expect(inspected["format"] as? String == "nvidia" && inspected["update"] as? Int == 1000)
            #expect((inspected["labels"] as? [String])?.count == 32)
            #expect((inspected["not_carried_over"] as? [String])?.contains { $0.hasPrefix("optimizer: ") } == true)
            let transcribed = try run(
                "transcribe", "--checkpoint", golden("nvidia_base_ctc.pt"), fixture.audio + "/0.wav")
            #expect(transcribed.code == 0)
            // fairseq's file of the same weights has no dictionary.
            let letters = "|ETAONIHSRDLUMWCFGYPBVK'XJQZ".map { "\($0) 1" }
            try fixture.write(letters.joined(separator: "\n") + "\n", to: "letters.txt")
            let same = try run(
                "transcribe", "--checkpoint", golden("fairseq_base_ctc.old_style.pt"), "--dictionary",
                folder.appendingPathComponent("letters.txt").path, fixture.audio + "/0.wav")
            #expect(same.code == 0 && same.output == transcribed.output)
        }
    }

    @Test func evaluationPrintsOneObject() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let lines = folder.appendingPathComponent("utterances.jsonl")
            let outcome = try run(
                "evaluate", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest, "--json", "--threads",
                "1",
                "--save-predictions", lines.path)
            #expect(outcome.code == 0)
            let object = try outcome.json()
            #expect(object["utterances"] as? Int == 3 && object["words"] as? Int == 4)
            let errors = ["substitutions", "deletions", "insertions"].compactMap { object[$0] as? Int }.reduce(0, +)
            #expect(object["wer"] as? Double == Double(errors) / 4)
            #expect((object["audio_seconds"] as? Double ?? 0) == 37_345.0 / 16_000)
            #expect(object["cer"] is Double && object["ser"] is Double && object["seconds"] is Double)
            #expect(try String(contentsOf: lines, encoding: .utf8).split(separator: "\n").count == 3)
            let text = try run("evaluate", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest)
            #expect(text.output.hasPrefix("WER ") && text.output.contains("\nCER "))
        }
    }

    @Test func transcriptsComeInOrderAndBadFilesLast() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let single = try run("transcribe", "--checkpoint", fixture.checkpoint, fixture.audio + "/0.wav")
            #expect(single.code == 0 && !single.output.contains("\t") && single.errors.contains("real-time factor"))
            try fixture.write("this is no audio", to: "audio/broken.wav")
            let all = try run("transcribe", "--checkpoint", fixture.checkpoint, fixture.audio)
            #expect(all.code == 65)
            let lines = all.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            #expect(lines.count == 4 && lines[3] == "")
            for index in 0..<3 { #expect(lines[index].hasPrefix("\(fixture.audio)/\(index).wav\t")) }
            #expect(lines[0] == "\(fixture.audio)/0.wav\t" + single.output.dropLast())
            #expect(all.errors.contains("broken.wav") && all.errors.contains("3 of 4 files"))
            let texts = folder.appendingPathComponent("texts").path
            let json = try run(
                "transcribe", "--checkpoint", fixture.checkpoint, "--format", "json", "--output", texts,
                fixture.audio + "/2.wav", fixture.audio + "/1.wav", fixture.audio + "/missing.wav")
            #expect(json.code == 65 && json.output == "" && json.errors.contains("missing.wav"))
            let written = try Data(contentsOf: URL(fileURLWithPath: texts + "/1.json"))
            let object = try JSONSerialization.jsonObject(with: written)
            #expect((object as? [String: Any])?["duration"] as? Double == 1)
            #expect((object as? [String: Any])?["words"] is [Any])
            #expect(FileManager.default.fileExists(atPath: texts + "/2.json"))
        }
    }

    @Test func dataCommandsMakeWhatTrainingReads() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let train = folder.appendingPathComponent("made/train.tsv").path
            let made = try run("data", "manifest", fixture.audio, "--output", train, "--valid-percent", "34")
            #expect(made.code == 0 && made.output == "")
            func lines(_ name: String) throws -> [Substring] {
                try String(contentsOf: folder.appendingPathComponent("made/" + name), encoding: .utf8).split(
                    separator: "\n")
            }
            #expect(try lines("train.tsv").count == 3 && lines("valid.tsv").count == 2)
            try fixture.write("0\tone two\n1\tthree\n2\tfour\n", to: "texts.tsv")
            let texts = folder.appendingPathComponent("texts.tsv").path
            #expect(try run("data", "labels", "--manifest", train, "--transcripts", texts, "--uppercase").code == 0)
            #expect(try lines("train.wrd").count == 2)
            #expect(try lines("train.ltr").allSatisfy { $0.hasSuffix(" |") && $0 == $0.uppercased() })
            let dictionary = folder.appendingPathComponent("made/dict.ltr.txt").path
            #expect(try run("data", "dictionary", train, "--output", dictionary).code == 0)
            #expect(try lines("dict.ltr.txt").contains { $0.hasPrefix("| ") })
        }
    }

    @Test func inspectingCountsParameters() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let object = try run("checkpoint", "inspect", fixture.checkpoint, "--json", "--tensors").json()
            let tensors = object["tensors"] as? [[String: Any]] ?? []
            let sizes = tensors.map { ($0["shape"] as? [Int] ?? []).reduce(1, *) }
            #expect(!sizes.isEmpty && object["parameters"] as? Int == sizes.reduce(0, +))
            #expect(object["task"] as? String == "ctc" && object["labels"] as? [String] == Fixture.symbols)
            #expect(object["update"] is NSNull)
            try fixture.write("{\"update\":17}", to: "model/training_state.json")
            #expect(try run("checkpoint", "inspect", fixture.checkpoint, "--json").json()["update"] as? Int == 17)
            let text = try run("checkpoint", "inspect", fixture.checkpoint)
            #expect(text.output.contains("a model for recognition (CTC)"))
            #expect(text.output.contains("1 layers, 16 channels"))
        }
    }

    @Test func conversionsKeepTheModel() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            func place(_ name: String) -> String { folder.appendingPathComponent(name).path }
            let converted = try run(
                "checkpoint", "convert", fixture.checkpoint, place("theirs"), "--to", "huggingface", "--json"
            ).json()
            #expect(converted["from"] as? String == "native" && converted["to"] as? String == "huggingface")
            #expect(converted["not_carried_over"] as? [String] == [])
            let inspected = try run("checkpoint", "inspect", place("theirs"), "--json").json()
            #expect(
                inspected["format"] as? String == "huggingface" && inspected["labels"] as? [String] == Fixture.symbols)
            let same = try run("checkpoint", "verify", fixture.checkpoint, place("theirs"), "--tolerance", "0")
            #expect(same.code == 0 && same.output.contains("are the same model"))

            // An existing destination, and one whose name does not determine a format.
            let taken = try run("checkpoint", "convert", fixture.checkpoint, place("theirs"), "--to", "native")
            #expect(taken.code == 1 && taken.errors.contains("give --force to replace it"))
            #expect(
                try run("checkpoint", "convert", fixture.checkpoint, place("theirs"), "--to", "native", "--force").code
                    == 0
            )
            #expect(try run("checkpoint", "convert", fixture.checkpoint, place("model.pt")).code == 64)
            #expect(try run("checkpoint", "convert", fixture.checkpoint, place("guessed")).code == 0)
            #expect(
                try run("checkpoint", "inspect", place("guessed"), "--json").json()["format"] as? String
                    == "huggingface")
            try fixture.write("{\"update\":17}", to: "model/training_state.json")
            let trained = try run("checkpoint", "convert", fixture.checkpoint, place("tiny-fairseq.pt"))
            #expect(trained.code == 0 && trained.output.contains("training_state.json: where the run was"))

            // Another dictionary makes another model.
            try fixture.write("| 1\nE 1\nT 1\nX 1\n", to: "dict.txt")
            #expect(
                try run(
                    "checkpoint", "convert", fixture.checkpoint, place("renamed"), "--dictionary", place("dict.txt"),
                    "--to",
                    "native"
                ).code == 0)
            let other = try run("checkpoint", "verify", fixture.checkpoint, place("renamed"), "--json")
            #expect(other.code == 1 && !other.errors.contains("wav2vec2:") && !other.errors.contains("WARNING"))
            let report = try other.json()
            #expect(report["equal"] as? Bool == false)
            #expect((report["dictionary"] as? [[String: String]])?.first?["second"] == "X")
        }
    }

    @Test func theDoctorTriesEverything() throws {
        let object = try run("doctor", "--json").json()
        #expect(object["libtorch"] as? String == LibTorch.version && object["ok"] as? Bool == true)
        let codecs = object["codecs"] as? [[String: Any]] ?? []
        #expect(codecs.count == 5 && codecs.allSatisfy { $0["works"] as? Bool == true })
        #expect(object["bf16_products"] as? Bool == HostInstructions.multiplyBFloat16)
    }

    @Test func benchmarksPrintTheContract() throws {
        let outcome = try run("benchmark", "inference", "--utterances", "1,0.5", "--repetitions", "1", "--json")
        #expect(outcome.code == 0)
        let object = try outcome.json()
        for key in [
            "task", "shape", "median_s", "min_s", "peak_rss_mb", "utilisation", "audio_s_per_s", "frames_per_s",
            "masked_frames_per_s", "threads", "device", "precision",
        ] { #expect(object[key] != nil, "\(key)") }
        #expect(object["shape"] as? String == "1,0.5" && object["task"] as? String == "inference")
        let utilisation = object["utilisation"] as? Double ?? 0
        #expect(utilisation > 0 && utilisation < 1.2)
    }
}

@Suite(.onTestThreads) struct ReportCommandTests {
    @Test func theReportShowsRatesAndWords() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let runs = folder.appendingPathComponent("run")
            try FileManager.default.createDirectory(at: runs, withIntermediateDirectories: true)
            try fixture.write(
                "{\"kind\":\"train\",\"update\":1,\"loss\":3.5}\n{\"kind\":\"valid\",\"update\":2,\"cer\":0.5}\n",
                to: "run/metrics.jsonl")
            try FileManager.default.copyItem(
                at: URL(fileURLWithPath: fixture.checkpoint), to: runs.appendingPathComponent("best"))
            let page = folder.appendingPathComponent("report.html")
            let outcome = try run(
                "report", "--pretrain", runs.path, "--finetune", runs.path, "--scratch", runs.path, "--manifest",
                fixture.manifest, "--examples", "3", "--output", page.path, "--json")
            #expect(outcome.code == 0, "\(outcome.errors)")
            let object = try outcome.json()
            #expect(object["cer"] as? Double == object["scratch_cer"] as? Double && object["cer"] is Double)
            let html = try String(contentsOf: page, encoding: .utf8)
            #expect(html.contains("2.wav") && html.contains("Code perplexity") == false && html.contains("<svg"))
            #expect(html.contains("pre-training did not help"))
            // These runs do not record their training data, and the page makes no claim about it.
            #expect(object["trained_on"] is NSNull && !html.contains("did not see"))
            #expect(html.contains("Whether pre-training has seen the test recordings is not known"))
            #expect(outcome.errors.contains("WARNING: whether fine-tuning has seen the test recordings is not known"))
            let statistics = [
                "updates", "skipped_updates", "sample_size", "samples", "frames", "masked_frames", "loss",
                "contrastive",
                "diversity", "penalty", "correct", "code_perplexity", "prob_perplexity", "gradient_norm", "operations",
            ].map { "\"\($0)\": 0" }.joined(separator: ", ")
            try fixture.write("\(folder.path)\nelsewhere.wav\t16000\n", to: "other.tsv")
            func reported(train: String, valid: String) throws -> (object: [String: Any], page: String, errors: String)
            {
                try fixture.write(
                    """
                    {"format_version": 1, "update": 1, "epoch": 0, "position": 0, "effective_batch": 1, "finished": true,
                    "optimizer_updates": {}, "recipe": {}, "data": "", "statistics": {\(statistics)},
                    "train": ["\(train)"], "valid": ["\(valid)"]}
                    """, to: "run/best/training_state.json")
                let outcome = try run(
                    "report", "--pretrain", runs.path, "--finetune", runs.path, "--manifest", fixture.manifest,
                    "--output",
                    page.path, "--json")
                #expect(outcome.code == 0, "\(outcome.errors)")
                return (try outcome.json(), try String(contentsOf: page, encoding: .utf8), outcome.errors)
            }
            let other = folder.appendingPathComponent("other.tsv").path
            let unseen = try reported(train: other, valid: other)
            #expect(unseen.object["trained_on"] as? Int == 0 && !unseen.errors.contains("WARNING"), "\(unseen.errors)")
            #expect(unseen.page.contains("The training manifests contain no recording of these."))
            let seen = try reported(train: fixture.manifest, valid: other)
            #expect(
                (seen.object["trained_on"] as? Int ?? 0) > 0 && !seen.page.contains("contain no recording of these"))
            #expect(seen.errors.contains("among those that fine-tuning learned from"), "\(seen.errors)")
            #expect(seen.page.contains("among those that pre-training learned from"))
            let chosen = try reported(train: other, valid: fixture.manifest)
            #expect(
                chosen.errors.contains("among those that chose the best checkpoint of fine-tuning"), "\(chosen.errors)")
            let missing = try run(
                "report", "--pretrain", folder.path, "--finetune", runs.path, "--manifest", fixture.manifest,
                "--output", page.path)
            #expect(missing.code == 65 && missing.errors.contains("metrics.jsonl"))
        }
    }

    @Test func curvesOfRunsAreDrawnSideBySide() throws {
        try withTemporaryFolder { folder in
            for (run, loss) in [("plain", 2.5), ("hourglass", 2.25)] {
                let place = folder.appendingPathComponent(run)
                try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                let lines = [10, 20].map { "{\"kind\":\"valid\",\"update\":\($0),\"loss\":\(loss)}" }
                try Data(lines.joined(separator: "\n").utf8).write(to: place.appendingPathComponent("metrics.jsonl"))
            }
            let file = folder.appendingPathComponent("pictures/curves.svg").path
            let (plain, hourglass) = (folder.path + "/plain", folder.path + "/hourglass/metrics.jsonl")
            let outcome = try run(["curves", "plain=\(plain)", "hourglass=\(hourglass)", "--output", file])
            #expect(outcome.code == 0 && outcome.output == file + "\n" && outcome.errors == "")
            let picture = try String(contentsOfFile: file, encoding: .utf8)
            #expect(picture.contains("plain 2.5") && picture.contains("hourglass 2.25"))
            // A run without a name has its folder's.
            #expect(try run(["curves", plain, hourglass, "--output", file]).code == 0)
            #expect(try String(contentsOfFile: file, encoding: .utf8) == picture)
            #expect(try run(["curves", plain, "plain=\(hourglass)", "--output", file]).code == 64)
            #expect(try run(["curves", plain, "--output", file + ".png"]).code == 64)
            #expect(try run(["curves", "a=\(folder.path)", "--output", file]).code == 65)
            let onItself = try run(["curves", "a=\(hourglass)", "--output", hourglass])
            #expect(onItself.code == 64 && onItself.errors.contains("would be replaced"), "\(onItself.errors)")
            let nothing = try run(["curves", "a=\(plain)", "--field", "wer", "--output", file])
            #expect(nothing.code == 1 && nothing.errors.contains("the field wer"))
        }
    }
}
