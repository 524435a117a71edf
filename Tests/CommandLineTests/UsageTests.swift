import Foundation
import TestSupport
import Testing

@testable import W2VProgram

/// What people type who come from other programs, or mistype: the answer names what to type instead.
@Suite(.onTestThreads) struct UsageTests {
    @Test(arguments: [
        ("transcibe x.wav", "There is no command 'transcibe'; did you mean transcribe?"),
        ("train --lr 1", "There is no command 'train'; did you mean finetune (with transcripts) or pretrain"),
        ("fine-tune", "did you mean finetune?"), ("inspect x", " or checkpoint inspect?"),
        ("checkpoint inspct x", "There is no command 'checkpoint inspct'; did you mean checkpoint inspect?"),
        ("evaluate --chekpoint X --manifest Y", "There is no option --chekpoint; did you mean --checkpoint?"),
        ("transcribe --model X y.wav", "There is no option --model; did you mean --checkpoint?"),
        ("transcribe -m X y.wav", "There is no option -m; did you mean --checkpoint?"),
        ("finetune --lr 0.001", "keys of the recipe follow --set: --set optimization.lr=0.001"),
        ("finetune --max-update=60", "--set optimization.max_update=60"),
        ("pretrain --fp16", "NVIDIA's fp16 is precision.mode=fp16 here, and keys of the recipe follow --set"),
        ("pretrain --learning-rate 0.1", "Transformers' learning_rate is optimization.lr=0.1 here"),
        ("pretrain --recipe base optimization.lr=0.1", "follow --set: --set optimization.lr=0.1"),
        ("pretrain --recipe base +common.fp16=true", "fairseq's common.fp16 is precision.mode=fp16 here"),
        ("finetune --output_dir x", "did you mean --output?"),
        ("pretrain --config-name base", "did you mean --recipe?"),
        ("evaluate --beam-size 5", "did you mean --beam-width?"),
    ])
    func theAnswerSaysWhatToType(_ line: String, _ answer: String) throws {
        let outcome = try run(line.split(separator: " ").map(String.init))
        #expect(outcome.code == 64 && outcome.output == "")
        #expect(outcome.errors.hasPrefix("Error: ") && outcome.errors.contains(answer), "\(outcome.errors)")
        #expect(outcome.errors.contains("\nUsage: wav2vec2") && outcome.errors.contains("--help' for more information"))
    }

    @Test func theUsageIsThatOfTheCommand() throws {
        // Refused after parsing, by the command itself.
        let converted = try run("checkpoint", "convert", "/none", "ft.pt")
        #expect(converted.code == 65 && converted.errors.contains("/none: there is no such file or folder"))
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let ambiguous = try run("checkpoint", "convert", fixture.checkpoint, "ft.pt", "--verbose")
            #expect(ambiguous.code == 64, "\(ambiguous.errors)")
            #expect(ambiguous.errors.contains("Usage: wav2vec2 checkpoint convert"), "\(ambiguous.errors)")
            #expect(ambiguous.errors.contains("See 'wav2vec2 checkpoint convert --help'"))
        }
        let device = try run("evaluate", "--device", "gpu", "--manifest", "x", "-c", "y")
        #expect(device.code == 64 && device.errors.contains("cuda:N"), "\(device.errors)")
        // What is right is not called wrong.
        let missing = try run("evaluate", "-c", "x", "--alpha", "-1")
        #expect(missing.code == 64 && !missing.errors.contains("There is no"), "\(missing.errors)")
    }

    @Test func namesThatAreNoRecordingsAreAnswered() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let outcome = try run(
                "transcribe", "-c", fixture.checkpoint, "https://example.org/a.mp3", "none/", "gone.wav")
            #expect(outcome.code == 65)
            for text in [
                "https://example.org/a.mp3: addresses are not fetched; send the file through a pipe: curl -s 'https://",
                "none/: there is no such folder; check the path", "gone.wav: there is no such audio file",
            ] {
                #expect(outcome.errors.contains(text), "\(outcome.errors)")
            }
        }
    }

    @Test func scriptsGetTheAnswerToo() throws {
        let outcome = try run("evaluate", "--chekpoint", "X", "--log-format", "json")
        let object = try JSONSerialization.jsonObject(with: Data(outcome.errors.utf8)) as? [String: Any]
        #expect((object?["message"] as? String)?.contains("did you mean --checkpoint?") == true)
    }

    @Test func recipesAreListedAndShown() throws {
        let table = try run("recipe", "list").output.split(separator: "\n")
        #expect(table[0].hasPrefix("recipe ") && table.contains { $0.hasPrefix("base ") && $0.contains("pretrain") })
        #expect(
            table.contains { $0.hasPrefix("finetune-base-1h ") && $0.contains("Fine-tuning of a BASE model on 1 hour") }
        )
        let lines = try run("recipe", "list", "--json").output.split(separator: "\n")
        #expect(lines.count == table.count - 1)
        // What is printed is a recipe with the same values.
        try withTemporaryFolder { folder in
            let own = folder.appendingPathComponent("own.yaml")
            for options in [[], ["--all"]] {
                let text = try run(["recipe", "show", "finetune-base-10h"] + options)
                #expect(text.code == 0 && text.output.contains("# "))
                try Data(text.output.utf8).write(to: own)
                let values = try run("recipe", "show", own.path, "--json").json() as? [String: String]
                let expected = try run("recipe", "show", "finetune-base-10h", "--json").json() as? [String: String]
                #expect(values == expected && values?["ctc.freeze_finetune_updates"] != nil)
            }
        }
        let near = try run("recipe", "show", "finetune-base-10")
        #expect(near.code == 64 && near.errors.contains("did you mean finetune-base-10h?"), "\(near.errors)")
    }

    @Test func recipesNamesAreCompleted() throws {
        let script = try run("--generate-completion-script", "bash").output
        #expect(script.contains("echo finetune-base-10h; "))
    }

    /// Each command has a page, with all its options.
    @Test func manualPagesAreWritten() throws {
        try withTemporaryFolder { folder in
            let script = Repository.root.appendingPathComponent("Scripts/man-pages")
            #expect(try runTool(script, [BuiltProgram.url.path, folder.path]) == 0)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(names.contains("wav2vec2.1") && names.contains("wav2vec2-checkpoint-fetch.1") && names.count > 45)
            let page = try String(
                contentsOf: folder.appendingPathComponent("wav2vec2-evaluate.1"), encoding: .utf8)
            for text in [
                ".SH NAME\nwav2vec2\\-evaluate \\- Measure", "\\fB\\-c\\fR, \\fB\\-\\-checkpoint\\fR", ".SH DECODING",
                "  \\-\\-by speaker \\-\\-worst 10 \\-\\-report test.html",
            ] {
                #expect(page.contains(text), "\(text)")
            }
        }
    }
}
