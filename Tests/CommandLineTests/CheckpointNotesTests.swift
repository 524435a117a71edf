import Foundation
import TestSupport
import Testing

/// Contents of a checkpoint that are not used, reported by every command that opens one.
@Suite(.onTestThreads) struct CheckpointNotesTests {
    /// A Hugging Face folder with a language model and without its preprocessor's configuration.
    private func theirs(_ fixture: Fixture) throws -> String {
        let place = fixture.folder.appendingPathComponent("theirs")
        let converted = try run("checkpoint", "convert", fixture.checkpoint, place.path, "--to", "huggingface")
        try #require(converted.code == 0, "\(converted.errors)")
        try FileManager.default.removeItem(at: place.appendingPathComponent("preprocessor_config.json"))
        try FileManager.default.createDirectory(
            at: place.appendingPathComponent("language_model"), withIntermediateDirectories: true)
        let model = """
            \\data\\
            ngram 1=4

            \\1-grams:
            -1 <unk>
            -1 <s>
            -1 </s>
            -1 TEA

            \\end\\

            """
        try fixture.write(model, to: "theirs/language_model/1gram.arpa")
        return place.path
    }

    private func count(_ text: String, in errors: String) -> Int { errors.components(separatedBy: text).count - 1 }

    @Test func everyCommandTellsOnce() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let theirs = try theirs(fixture)
            try fixture.write("| 1\nE 1\nT 1\nA 1\n", to: "data/dict.ltr.txt")
            try fixture.write("{}", to: "recipe.yaml")
            let recording = fixture.audio + "/0.wav"
            let lists = ["--recipe", "recipe.yaml", "--train", "data/all.tsv", "--valid", "data/all.tsv"]
            let training = lists + ["--from", theirs, "--output", "out", "--dry-run"]
            let commands = [
                ["transcribe", "--checkpoint", theirs, recording],
                ["evaluate", "--checkpoint", theirs, "--manifest", fixture.manifest],
                ["align", recording, "--text", "TEA", "--checkpoint", theirs],
                ["features", recording, "--checkpoint", theirs, "--layer", "0", "--output", "x.npy"],
                ["finetune"] + training,
                ["benchmark", "inference", "--checkpoint", theirs, "--utterances", "1x1", "--repetitions", "1"],
                ["checkpoint", "verify", theirs, theirs],
                ["checkpoint", "average", theirs, theirs, "--output", "mean"],
            ]
            for arguments in commands {
                let outcome = try run(arguments, in: folder)
                #expect(outcome.code == 0, "\(arguments): \(outcome.errors)")
                #expect(
                    count("preprocessor_config.json: the folder has none", in: outcome.errors) == 1,
                    "\(arguments): \(outcome.errors)")
                #expect(
                    count("--lm \(theirs)/language_model/1gram.arpa", in: outcome.errors) == 1,
                    "\(arguments): \(outcome.errors)")
                #expect(!outcome.output.contains("language_model"), "\(arguments)")
            }
            let decoded = try run(
                "transcribe", "--checkpoint", theirs, "--lm", theirs + "/language_model/1gram.arpa", recording)
            #expect(decoded.code == 0 && count("preprocessor_config.json: ", in: decoded.errors) == 1)
            #expect(count("--lm ", in: decoded.errors) == 0, "\(decoded.errors)")
            // Where people look for it, it is part of the result.
            #expect(try run("checkpoint", "inspect", theirs).output.contains("language_model/1gram.arpa: "))
        }
    }

    @Test func anotherOrderOfTheDictionaryIsTold() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            try fixture.write("A 1\n| 1\nT 1\nE 1\n", to: "other.txt")
            let recording = fixture.audio + "/0.wav"
            let own = try run("transcribe", "--checkpoint", fixture.checkpoint, recording)
            let other = try run(
                ["transcribe", "--checkpoint", fixture.checkpoint, "--dictionary", "other.txt", recording], in: folder)
            #expect(other.code == 0 && other.output == own.output)
            #expect(count("other.txt: has the checkpoint's symbols in another order", in: other.errors) == 1)
            let converted = try run(
                [
                    "checkpoint", "convert", fixture.checkpoint, "converted", "--to", "native", "--dictionary",
                    "other.txt",
                ],
                in: folder)
            #expect(converted.code == 0 && count("other.txt: has the checkpoint's", in: converted.errors) == 1)
            #expect(!converted.output.contains("other.txt"))
            let again = try run(["transcribe", "--checkpoint", "converted", recording], in: folder)
            #expect(again.code == 0 && again.output == own.output)
        }
    }
}
