import Foundation
import TestSupport
import Testing
import W2VDecoding

@testable import W2VProgram

@Suite(.onTestThreads) struct EvaluateTests {
    /// JSON lines of the fixture's recordings, with speakers and characters that its dictionary lacks.
    private static func list(_ fixture: Fixture) throws -> String {
        let texts = [("TEA", "ann"), ("A", "bob"), ("TE A tée", "ann")]
        let lines = texts.enumerated().map { index, entry in
            let length = [9_000, 16_000, 12_345][index]
            return "{\"audio_filepath\": \"\(fixture.audio)/\(index).wav\", \"duration\": \(Double(length) / 16_000), "
                + "\"text\": \"\(entry.0)\", \"speakerName\": \"\(entry.1)\"}\n"
        }
        try fixture.write(lines.joined(), to: "data/list.jsonl")
        return fixture.folder.appendingPathComponent("data/list.jsonl").path
    }

    private static func lines(_ url: URL) throws -> [[String: Any]] {
        try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
        }
    }

    /// A comparison without case and punctuation has the same result as references that are written so.
    @Test func caseAndPunctuationCanBeIgnored() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            func evaluate(_ texts: [String], _ more: String...) throws -> (report: [String: Any], errors: String) {
                let lines = texts.enumerated().map { index, text in
                    "{\"audio_filepath\": \"\(fixture.audio)/\(index).wav\", \"text\": \"\(text)\"}\n"
                }
                try fixture.write(lines.joined(), to: "list.jsonl")
                let list = folder.appendingPathComponent("list.jsonl").path
                let outcome = try run(
                    ["evaluate", "--checkpoint", fixture.checkpoint, "--manifest", list, "--json", "--bootstrap", "0"]
                        + more)
                #expect(outcome.code == 0, "\(outcome.errors)")
                return (try outcome.json(), outcome.errors)
            }
            let (capitals, _) = try evaluate(["TEA", "A", "TE A"])
            let (small, warning) = try evaluate(["Tea!", "a", "te a."])
            #expect(small["text_form"] as? String == "as written" && warning.contains("--ignore-case compares"))
            let (folded, errors) = try evaluate(["Tea!", "a", "te a."], "--ignore-case", "--strip-punctuation")
            #expect(
                folded["wer"] as? Double == capitals["wer"] as? Double && !errors.contains("dictionary lacks"),
                "\(errors)")
            #expect(folded["cer"] as? Double == capitals["cer"] as? Double)
            #expect(folded["text_form"] as? String == "small letters, no punctuation")
        }
    }

    @Test func everythingIsWrittenAndDecodingNeedsTheModelOnce() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let (page, predictions) = (
                folder.appendingPathComponent("out/page.html"), folder.appendingPathComponent("out/lines.jsonl")
            )
            let logits = folder.appendingPathComponent("out/logits").path
            let outcome = try run(
                "evaluate", "--checkpoint", fixture.checkpoint, "--manifest", Self.list(fixture), "--json", "--by",
                "speakerName", "--worst", "2", "--report", page.path, "--save-predictions", predictions.path,
                "--save-logits", logits, "--bootstrap", "200")
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.errors.contains("1 of 5 words of the references have characters that the model's"))
            var object = try outcome.json()
            #expect(object["out_of_dictionary_words"] as? Int == 1)
            #expect(object["out_of_dictionary_characters"] as? Int == 3)
            #expect(object["bootstrap_sets"] as? Int == 200 && object["confidence_level"] as? Double == 0.95)
            let (wer, interval) = (object["wer"] as? Double, object["wer_interval"] as? [Double] ?? [])
            #expect(interval.count == 2 && wer.map { interval[0] <= $0 && $0 <= interval[1] } == true)
            let kinds = ["substitution_rate", "deletion_rate", "insertion_rate"].compactMap { object[$0] as? Double }
            #expect(kinds.count == 3 && abs(kinds.reduce(0, +) - (wer ?? -1)) < 1e-12)
            let groups = object["groups"] as? [[String: Any]] ?? []
            #expect(groups.map { $0["tag"] as? String } == ["speakerName", "speakerName"])
            #expect(groups.map { $0["value"] as? String } == ["ann", "bob"])
            #expect(groups.map { $0["words"] as? Int } == [4, 1] && groups.allSatisfy { $0["wer"] is Double })
            let worst = object["worst"] as? [[String: Any]] ?? []
            #expect(worst.count == 2 && worst.allSatisfy { ($0["word_errors"] as? Int ?? 0) > 0 })

            let written = try Self.lines(predictions)
            #expect(written.map { $0["reference"] as? String } == ["TEA", "A", "TE A tée"])
            #expect(
                written.compactMap { $0["word_errors"] as? Int }.reduce(0, +)
                    == (object["words"] as? Int).map {
                        Int((wer ?? 0) * Double($0) + 0.5)
                    })
            #expect(written.first?["tags"] as? [String: String] == ["speakerName": "ann"])
            let html = try String(contentsOf: page, encoding: .utf8)
            #expect(html.contains("By speakerName") && html.contains("tée") && html.contains("The worst utterances"))
            #expect(!html.contains("<script") && !html.contains("http"))

            // The same figures from the saved results, except for the time.
            let again = try run(
                "evaluate", "--logits", logits, "--json", "--by", "speakerName", "--worst", "2", "--bootstrap", "200")
            #expect(again.code == 0, "\(again.errors)")
            var second = try again.json()
            for time in ["seconds", "real_time_factor"] {
                #expect(object.removeValue(forKey: time) is Double && second.removeValue(forKey: time) is Double)
            }
            #expect(second as NSDictionary == object as NSDictionary)

            let text = "\\data\\\nngram 1=5\n\n\\1-grams:\n-9\t<s>\n-1\t</s>\n-1\tTEA\n-1\tA\n-2\tEAT\n\n\\end\\\n"
            try fixture.write(text, to: "model.arpa")
            let arpa = folder.appendingPathComponent("model.arpa").path
            let tune = ["--lm", arpa, "--alphas", "0.5,1", "--betas", "0", "--rounds", "0", "--json"]
            let tuned = try run(["lm", "tune", "--logits", logits] + tune)
            #expect(tuned.code == 0, "\(tuned.errors)")
            let model = ["--checkpoint", fixture.checkpoint, "--manifest", try Self.list(fixture)]
            #expect(try run(["lm", "tune"] + model + tune).json() as NSDictionary == tuned.json() as NSDictionary)
        }
    }

    @Test func severalProcessesSaveTheSameLogits() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let folders = ["alone", "together"].map { folder.appendingPathComponent($0) }
            for (place, launch) in zip(folders, [[], ["launch", "--processes", "2", "--"]]) {
                let outcome = try run(
                    launch + [
                        "evaluate", "--checkpoint", fixture.checkpoint, "--manifest", Self.list(fixture), "--by",
                        "speakerName", "--save-logits", place.path,
                    ], environment: ["OMP_NUM_THREADS": "1"])
                #expect(
                    outcome.code == 0 && outcome.output.contains("\nspeakerName  utterances  "), "\(outcome.errors)")
            }
            for name in ["logits.json", "index.jsonl"] {
                #expect(
                    try Data(contentsOf: folders[0].appendingPathComponent(name))
                        == Data(contentsOf: folders[1].appendingPathComponent(name)))
            }
            #expect(try Self.lines(folders[1].appendingPathComponent("index.jsonl")).count == 3)
            let again = try folders.map { try run("evaluate", "--logits", $0.path).output.split(separator: "\n")[0] }
            #expect(again[0] == again[1])
        }
    }

    @Test func badInputIsNamed() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let list = try Self.list(fixture)
            func expect(_ text: String, manifest: String? = nil, _ more: String...) throws {
                let outcome = try run(
                    ["evaluate", "--checkpoint", fixture.checkpoint, "--manifest", manifest ?? list] + more)
                #expect(
                    outcome.code == 65 && outcome.output == "" && outcome.errors.contains(text), "\(outcome.errors)")
                #expect(outcome.errors.split(separator: "\n").count == 1)
            }
            func place(_ name: String) -> String { folder.appendingPathComponent(name).path }
            try expect("its utterances have no tag \"dialect\"", "--by", "dialect")
            try expect("tags.tsv: there is no such file", "--by", "speaker", "--tags", place("tags.tsv"))
            try fixture.write("", to: "data/empty.tsv")
            try expect("the manifest names no utterances", manifest: place("data/empty.tsv"))
            try fixture.write(fixture.audio + "\n", to: "data/empty.tsv")
            try fixture.write("", to: "data/empty.ltr")
            try expect("the manifest names no utterances", manifest: place("data/empty.tsv"))
            try fixture.write("{\"audio_filepath\": \"0.wav\", \"duration\": 1}\n", to: "data/mute.jsonl")
            try expect("mute.jsonl:1: expected \"text\" with a transcript", manifest: place("data/mute.jsonl"))
            try FileManager.default.removeItem(atPath: place("data/all.ltr"))
            try expect("all.ltr: there is no such file", manifest: fixture.manifest)
            for wrong in [
                ["--checkpoint", fixture.checkpoint], ["--logits", "x", "--manifest", list], ["--tags", "x"],
                ["--logits", "x", "--save-logits", "y"],
                ["--checkpoint", "x", "--manifest", "y", "--bootstrap", "-1"],
            ] { #expect(try run(["evaluate"] + wrong).code == 64, "\(wrong)") }
            let missing = try run("evaluate", "--logits", place("nowhere"))
            #expect(missing.code == 65 && missing.errors.contains("has no readable logits.json"))
            try fixture.write("here", to: "file")
            let unwritable = try run(
                "evaluate", "--checkpoint", fixture.checkpoint, "--manifest", list, "--report", place("file/page.html"))
            #expect(unwritable.code == 1 && unwritable.errors.contains("the folder cannot be made"))
        }
    }

    /// A character is a code point, or a grapheme.
    @Test func charactersAreCodePointsOrGraphemes() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let logits = folder.appendingPathComponent("logits").path
            let saved = try run(
                "evaluate", "--checkpoint", fixture.checkpoint, "--manifest", Self.list(fixture), "--save-logits",
                logits)
            #expect(saved.code == 0, "\(saved.errors)")
            let index = URL(fileURLWithPath: logits + "/index.jsonl")
            let text = try String(contentsOf: index, encoding: .utf8)
            #expect(text.contains("tée"))
            try Data(text.replacingOccurrences(of: "tée", with: "te\u{301}\u{323}e").utf8).write(to: index)
            let arguments = ["evaluate", "--logits", logits]
            // "TEA", "A" and "TE A te\u{301}\u{323}e", whose marks are code points of their own.
            for (options, count) in [
                ([], 14), (["--characters", "codepoints"], 14), (["--characters", "graphemes"], 12),
            ] {
                let outcome = try run(arguments + ["--json"] + options)
                #expect(outcome.code == 0, "\(outcome.errors)")
                let object = try outcome.json()
                #expect(object["characters"] as? Int == count, "\(options)")
                #expect(object["character_unit"] as? String == options.last ?? "codepoints")
            }
            let shown = try run(arguments + ["--characters", "graphemes"])
            #expect(shown.output.contains(" of 12 grapheme clusters"))
            #expect(try run(arguments + ["--characters", "bytes"]).code == 64)
        }
    }

    @Test func differencesStandUnderEachOther() {
        func lines(_ reference: String, _ hypothesis: String, width: Int = 60, isColored: Bool = false) -> [String] {
            AlignedText(
                pairs: EditDistance.align(
                    reference: LetterText.words(in: reference), hypothesis: LetterText.words(in: hypothesis)),
                width: width, isColored: isColored
            ).lines
        }
        #expect(
            lines("the cat sat on the mat", "the bat on down the mat") == [
                "REF:  the  cat  sat  on  ****  the  mat", "HYP:  the  ***  bat  on  down  the  mat",
                "           D    S        I",
            ])
        #expect(lines("a house", "a house") == ["REF:  a  house", "HYP:  a  house"])
        #expect(
            lines("a b c d", "a b c x", width: 10) == [
                "REF:  a  b", "HYP:  a  b", "REF:  c  d", "HYP:  c  x", "         S",
            ])
        #expect(lines("", "") == ["REF:  (nothing)", "HYP:  (nothing)"])
        #expect(lines("cat", "bat", isColored: true)[1] == "HYP:  \u{1B}[33mbat\u{1B}[0m")
    }
}
