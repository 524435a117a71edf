import Foundation
import TestSupport
import Testing
import W2VAudio

@Suite(.onTestThreads) struct DecodingCommandTests {
    /// Sentences in the fixture's letters, and the ARPA file that `lm build` makes from them.
    private static func model(_ fixture: Fixture) throws -> String {
        let words = ["TEA", "EAT", "A", "TAT", "ATE", "TEAT"]
        let sentences = (0..<60).map { number -> String in
            let chosen = (0..<3 + number % 4).map { place -> String in
                let index = number * 7 + place * place * 5 + number / 6
                return words[index % 6]
            }
            return chosen.joined(separator: " ")
        }
        try fixture.write(sentences.joined(separator: "\n") + "\n", to: "text.txt")
        let output = fixture.folder.appendingPathComponent("model.arpa.gz").path
        let built = try run(
            "lm", "build", fixture.folder.appendingPathComponent("text.txt").path, "--order", "2", "--output", output,
            "--discount-fallback", "--json")
        #expect(built.code == 0, "\(built.errors)")
        #expect((try built.json()["counts"] as? [Int])?.first == 9)
        return output
    }

    @Test func modelsAreBuiltConvertedAndLookedInto() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let arpa = try Self.model(fixture)
            let binary = folder.appendingPathComponent("model.bin").path
            #expect(try run("lm", "convert", arpa, binary).code == 0)
            let again = try run("lm", "convert", arpa, binary)
            #expect(again.code == 1 && again.errors.contains("exists already; give --force"), "\(again.errors)")
            let onItself = try run("lm", "convert", arpa, arpa)
            #expect(onItself.code == 64 && onItself.errors.contains("would be replaced"))
            var reports: [[String: Any]] = []
            for path in [arpa, binary] {
                let outcome = try run("lm", "inspect", path, "--score", "EAT TEA NO", "--json")
                #expect(outcome.code == 0, "\(outcome.errors)")
                reports.append(try outcome.json())
            }
            #expect(reports[0]["format"] as? String == "ARPA" && reports[1]["format"] as? String == "binary")
            let sentences = reports.compactMap { ($0["sentences"] as? [[String: Any]])?.first?["log10"] as? Double }
            #expect(sentences.count == 2 && sentences[0] == sentences[1] && sentences[0] < -1)
            #expect(try run("lm", "inspect", arpa, "--score", "EAT NO").output.contains("NO  (unknown)"))
        }
    }

    /// If a file cannot grow, one sentence gives the reason, and the old contents stay.
    @Test func fullDisksAreNamed() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let arpa = try Self.model(fixture)
            let place = folder.appendingPathComponent("model.bin")
            try Data("old".utf8).write(to: place)
            for arguments in [
                ["lm", "convert", arpa, place.path, "--force"],
                [
                    "lm", "build", folder.appendingPathComponent("text.txt").path, "--discount-fallback", "--force",
                    "--output",
                    place.path,
                ],
            ] {
                let outcome = try run(arguments, fileSizeLimit: 512)
                #expect(outcome.code == 1, "\(outcome.errors)")
                #expect(
                    outcome.errors.hasPrefix("wav2vec2: /")
                        && outcome.errors.hasSuffix(
                            ": cannot be written (the process's file size limit is reached); make room, or choose another "
                                + "folder\n")
                        && outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
                #expect(try Data(contentsOf: place) == Data("old".utf8))
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.hasPrefix(".") })
            let logits = folder.appendingPathComponent("logits").path
            let saved = try run(
                [
                    "evaluate", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest, "--save-logits",
                    logits,
                ], fileSizeLimit: 512)
            #expect(saved.code == 1 && saved.errors.contains("file size limit"), "\(saved.errors)")
            #expect(!saved.errors.contains("NSCocoaErrorDomain"))
        }
    }

    @Test func recognitionUsesTheModel() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let arpa = try Self.model(fixture)
            let outcome = try run(
                "evaluate", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest, "--lm", arpa,
                "--lexicon-only", "--token-min-logp", "-20", "--json", "--save-predictions",
                folder.appendingPathComponent("lines").path)
            #expect(outcome.code == 0, "\(outcome.errors)")
            for line in try String(contentsOf: folder.appendingPathComponent("lines"), encoding: .utf8).split(
                separator: "\n")
            {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                let words = (object?["hypothesis"] as? String ?? "x").split(separator: " ").map(String.init)
                #expect(Set(words).isSubset(of: ["TEA", "EAT", "A", "TAT", "ATE", "TEAT"]))
            }
            let tuned = try run(
                "lm", "tune", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest, "--lm", arpa,
                "--alphas", "0.5,1", "--betas", "-1,2", "--beam-width", "10", "--json")
            #expect(tuned.code == 0, "\(tuned.errors)")
            let trials = try tuned.json()["trials"] as? [[String: Any]] ?? []
            let best = try tuned.json()["best"] as? [String: Any]
            let rates = trials.compactMap { $0["wer"] as? Double }
            #expect(rates.count >= 4 && best?["wer"] as? Double == rates.min())
            let plain = try run(
                "transcribe", "--checkpoint", fixture.checkpoint, "--decoder", "beam", fixture.audio + "/1.wav")
            #expect(plain.code == 0)
            #expect(
                try run("transcribe", "--checkpoint", "x", "--decoder", "greedy", "--lm", arpa, "y.wav").code == 64)
        }
    }

    @Test func decodingIsTimed() throws {
        let outcome = try run(
            "benchmark", "decoding", "--utterances", "3", "--seconds", "1", "--sentences", "300", "--repetitions", "1",
            "--json")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let report = try outcome.json()
        let (rate, time) = (report["utterances_per_s"] as? Double ?? 0, report["median_s"] as? Double ?? 0)
        #expect(report["utterances"] as? Int == 3 && abs(rate * time - 3) < 1e-9 && report["processor_s"] is Double)
        // Only a search with alternatives is worth timing.
        #expect((report["labels_a_frame"] as? Double ?? 0) > 1.5)
        #expect(try run("benchmark", "decoding", "--sentences", "0").code == 64)
    }

    @Test func transcriptsAreAligned() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            try fixture.write("TEA A\n  EAT\n", to: "said.txt")
            let said = folder.appendingPathComponent("said.txt").path
            func align(_ more: String...) throws -> Outcome {
                try run(["align", fixture.audio + "/1.wav", "--checkpoint", fixture.checkpoint] + more)
            }
            let text = try align(said)
            #expect(text.code == 0, "\(text.errors)")
            let lines = text.output.split(separator: "\n").map { line in line.split(separator: "\t").map(String.init) }
            #expect(lines.compactMap(\.last) == ["TEA", "A", "EAT"])
            let times: [Double] = lines.flatMap { fields in fields.prefix(2).compactMap { Double($0) } }
            #expect(times.count == 6 && times == times.sorted() && times.allSatisfy { (0...1).contains($0) })
            let json = try align(said, "--format", "json").json()
            let letters = (json["characters"] as? [[String: Any]] ?? []).compactMap { $0["text"] as? String }
            #expect(letters.joined() == "TEAAEAT")
            for (format, beginning) in [
                ("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n"), ("ctm", "1 1 "), ("textgrid", "File type"),
            ] { #expect(try align(said, "--format", format).output.hasPrefix(beginning), "\(format)") }
            func expect(_ text: String, _ outcome: Outcome) {
                #expect(outcome.code == 65 && outcome.errors.contains(text), "\(outcome.errors)")
            }
            expect("\"7\" has \"7\" that the dictionary lacks", try align("--text", "tea 7"))
            // The words are as they are written, the model's letters as they are spoken.
            let folded = try align("--text", "“Tea-tea, eat!” —", "--format", "json").json()
            let words = (folded["words"] as? [[String: Any]] ?? []).compactMap { $0["text"] as? String }
            #expect(words == ["“Tea-tea,", "eat!” —"])
            let spoken = (folded["characters"] as? [[String: Any]] ?? []).compactMap { $0["text"] as? String }
            #expect(spoken.joined() == "TEATEAEAT")
            expect("the transcript has no words", try align("--text", " "))
            expect("needs at least", try align("--text", String(repeating: "TEA ", count: 40)))
            expect("the transcript cannot be read (there is no such file", try align("/no/such/file"))
            let latin = folder.appendingPathComponent("latin.txt")
            try Data([0xFF, 0xFE, 0x41]).write(to: latin)
            expect("is not UTF-8", try align(latin.path))
            #expect(try align().code == 64)
            let onItself = try align(latin.path, "--output", latin.path)
            #expect(onItself.code == 64 && onItself.errors.contains("would be replaced"), "\(onItself.errors)")
            #expect(try Data(contentsOf: latin) == Data([0xFF, 0xFE, 0x41]))
        }
    }

    @Test func corporaAreAligned() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let corpus = folder.appendingPathComponent("corpus")
            let deep = corpus.appendingPathComponent("deep")
            try FileManager.default.createDirectory(at: deep, withIntermediateDirectories: true)
            for (name, text) in [("a", "Tea a."), ("b", "eat"), ("c", "7"), ("d", nil)] {
                try FileManager.default.copyItem(atPath: fixture.audio + "/1.wav", toPath: deep.path + "/\(name).wav")
                if let text { try Data(text.utf8).write(to: deep.appendingPathComponent(name + ".txt")) }
            }
            func align(_ more: String...) throws -> Outcome {
                try run(["align", corpus.path, "--checkpoint", fixture.checkpoint, "--format", "textgrid"] + more)
            }
            let output = folder.appendingPathComponent("aligned")
            let made = try align("--output", output.path)
            #expect(made.code == 65 && made.errors.contains("deep/d.wav: has no transcript"), "\(made.errors)")
            #expect(made.errors.contains("deep/c.wav: \"7\" has") && made.errors.contains("2 of 4 recordings"))
            let names = try FileManager.default.contentsOfDirectory(atPath: output.path + "/deep").sorted()
            #expect(names == ["a.TextGrid", "b.TextGrid"])
            let grid = try String(contentsOfFile: output.path + "/deep/a.TextGrid", encoding: .utf8)
            #expect(grid.contains("text = \"Tea\"") && grid.contains("text = \"a.\""))
            #expect(try align("--output", output.path).code == 1)
            try Data("mine".utf8).write(to: URL(fileURLWithPath: output.path + "/deep/a.TextGrid"))
            let resumed = try align("--output", output.path, "--resume")
            #expect(resumed.errors.contains("2 of 3 files are already there"), "\(resumed.errors)")
            #expect(try String(contentsOfFile: output.path + "/deep/a.TextGrid", encoding: .utf8) == "mine")
            #expect(try align().code == 64)
            let listed = try run(
                "align", "--manifest", fixture.manifest, "--checkpoint", fixture.checkpoint, "--output",
                folder.path + "/listed")
            #expect(listed.code == 0, "\(listed.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/listed").contains("1.tsv"))
        }
    }

    @Test func badModelsAreNamed() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            func expect(_ text: String, lm: String) throws {
                let outcome = try run(
                    "evaluate", "--checkpoint", fixture.checkpoint, "--manifest", fixture.manifest, "--lm", lm)
                #expect(outcome.code == 65 && outcome.errors.contains(text), "\(outcome.errors)")
                #expect(outcome.errors.split(separator: "\n").count == 1)
            }
            try expect("there is no such file", lm: "/no/such/model")
            try fixture.write("\\data\\\nngram 1=2\n\n\\1-grams:\n-1\t<s>\n-1\tA\n\n\\end\\\n", to: "bad.arpa")
            try expect("has no </s>", lm: folder.appendingPathComponent("bad.arpa").path)
            let lines = "\\data\\\nngram 1=4\n\n\\1-grams:\n-1\t<s>\n-1\t</s>\n-1\ttea\n-1\teat\n\n\\end\\\n"
            try fixture.write(lines, to: "lower.arpa")
            try expect("has other letters than the dictionary", lm: folder.appendingPathComponent("lower.arpa").path)
            let built = try run("lm", "build", "/no/such/text", "--output", folder.path + "/x.arpa")
            #expect(built.code == 65 && built.errors.contains("there is no such file"))
            #expect(try run("lm", "build", "text", "--output", "x", "--order", "12").code == 64)
        }
    }
}
