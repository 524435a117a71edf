import Foundation
import TestSupport
import Testing
import W2VAudio

@Suite(.onTestThreads) struct DataCommandTests {
    /// A folder with recordings, of which `transcripts` have a text beside them.
    private func recordings(_ folder: URL, count: Int = 4, transcripts: Int = 4) throws -> URL {
        let audio = folder.appendingPathComponent("audio/deep")
        try FileManager.default.createDirectory(at: audio, withIntermediateDirectories: true)
        for index in 0..<count {
            let samples = tone(25 * Double(index + 3), count: 8000 + 400 * index)
            try AudioFile.write(samples, to: audio.appendingPathComponent("r\(index).wav"))
            guard index < transcripts else { continue }
            try Data("word \(index)\n".utf8).write(to: audio.appendingPathComponent("r\(index).txt"))
        }
        return folder.appendingPathComponent("audio")
    }

    private func text(_ folder: URL, _ name: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }

    @Test func manifestsTakeTranscriptsAlong() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder)
            let made = try run(
                ["data", "manifest", audio.path, "--output", "m/all.tsv", "--uppercase"], in: folder)
            #expect(made.code == 0 && made.errors.contains("m/all.tsv: 4 recordings, 0.00 hours, with ltr and wrd"))
            #expect(try text(folder, "m/all.ltr").hasPrefix("W O R D | 0 |\n"))
            #expect(try text(folder, "m/all.wrd") == "WORD 0\nWORD 1\nWORD 2\nWORD 3\n")
            let json = try run(["data", "manifest", "m/all.tsv", "--output", "m/all.jsonl"], in: folder)
            #expect(json.code == 0)
            let lines = try text(folder, "m/all.jsonl").split(separator: "\n")
            #expect(
                lines.count == 4 && lines[1].contains("\"text\": \"WORD 1\"")
                    && lines[1].contains("\"duration\": 0.525"))
            let split = try run(
                ["data", "manifest", "m/all.jsonl", "--output", "m/part.tsv", "--valid-percent", "25"], in: folder)
            #expect(split.code == 0)
            #expect(try text(folder, "m/part.wrd").split(separator: "\n").count == 3)
            #expect(try text(folder, "m/valid.ltr").split(separator: "\n").count == 1)
            #expect(try text(folder, "m/valid.tsv").split(separator: "\n").count == 2)
            let plain = try run(
                ["data", "manifest", audio.path, "--output", "p.tsv", "--labels", "none"], in: folder)
            #expect(plain.code == 0 && !FileManager.default.fileExists(atPath: folder.path + "/p.ltr"))
        }
    }

    @Test func someTranscriptsAreSaidToBeTooFew() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder, transcripts: 3)
            let made = try run(["data", "manifest", audio.path, "--output", "all.tsv"], in: folder)
            #expect(made.code == 0 && made.errors.contains("only 3 of 4 recordings have a .txt beside them"))
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/all.ltr"))
            let asked = try run(
                ["data", "manifest", audio.path, "--output", "all.tsv", "--labels", "ltr"], in: folder)
            #expect(asked.code == 65 && asked.errors.contains("r3.txt is missing"))
        }
    }

    /// Common Voice's table becomes a manifest with labels, and its doubtful symbols are pointed out.
    @Test func tablesBecomeManifests() throws {
        try withTemporaryFolder { folder in
            _ = try recordings(folder)
            let table = "client_id\tpath\tsentence\nx\tr0.wav\tThe cat.\ny\tr1.wav\t\"No\" 7\nz\tr9.wav\tGone\n"
            try Data(table.utf8).write(to: folder.appendingPathComponent("train.tsv"))
            let arguments = ["data", "manifest", "train.tsv", "--audio-root", "audio/deep", "--output", "m/all.tsv"]
            let made = try run(arguments, in: folder)
            #expect(made.code == 65 && made.errors.contains("left out r9.wav: there is no such file (train.tsv:4)"))
            for words in [
                "column \"path\" for recordings, column \"sentence\" for transcripts",
                "1 of 3 recordings were left out",
                "letters occur in both cases (T)", "punctuation (\" .)", "digits (7)",
                "--case lower or --case upper", "m/all.tsv: 2 recordings",
            ] { #expect(made.errors.contains(words), "\(words): \(made.errors)") }
            #expect(try text(folder, "m/all.wrd") == "The cat.\n\"No\" 7\n")
            let other = arguments + ["--allow-unreadable", "--case", "lower", "--strip-punctuation"]
            let refused = try run(other, in: folder)
            #expect(refused.code == 1 && refused.errors.contains("would be replaced by other content; give --force"))
            #expect(try text(folder, "m/all.wrd") == "The cat.\n\"No\" 7\n")
            #expect(try run(other + ["--force"], in: folder).code == 0)
            #expect(try text(folder, "m/all.ltr") == "t h e | c a t |\nn o | 7 |\n")
            let json = try run(arguments.dropLast() + ["m/all.jsonl", "--allow-unreadable"], in: folder)
            #expect(json.code == 0)
            #expect(try text(folder, "m/all.jsonl").contains("\"client_id\": \"x\""))
            let labels = try run(
                [
                    "data", "labels", "--manifest", "m/all.tsv", "--transcripts", "train.tsv", "--case", "upper",
                    "--force",
                ],
                in: folder)
            #expect(labels.code == 0 && labels.errors.contains("punctuation"), "\(labels.errors)")
            #expect(try text(folder, "m/all.wrd") == "THE CAT.\n\"NO\" 7\n")
            let dictionary = try run(["data", "dictionary", "m/all.tsv", "--output", "d.txt"], in: folder)
            #expect(dictionary.code == 0 && dictionary.errors.contains("digits (7)"))
            try Data("X 1\n".utf8).write(to: folder.appendingPathComponent("d.txt"))
            #expect(try run(["data", "dictionary", "m/all.tsv", "--output", "d.txt"], in: folder).code == 1)
            #expect(try text(folder, "d.txt") == "X 1\n")
            let none = try run(["data", "manifest", "audio", "--columns", "a,b", "--output", "x.tsv"], in: folder)
            #expect(none.code == 64 && none.errors.contains("are about tables"))
        }
    }

    @Test func combinesWithLabels() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder)
            for (name, format) in [("a", "tsv"), ("b", "jsonl")] {
                let made = try run(
                    ["data", "manifest", audio.path, "--output", "\(name).\(format)"], in: folder)
                #expect(made.code == 0)
            }
            let joined = try run(["data", "combine", "a.tsv", "b.jsonl", "--output", "all.tsv"], in: folder)
            #expect(joined.code == 0 && joined.errors.contains("8 recordings"))
            #expect(try text(folder, "all.wrd") == String(repeating: "word 0\nword 1\nword 2\nword 3\n", count: 2))
            #expect(try text(folder, "all.ltr").split(separator: "\n").count == 8)
            try FileManager.default.removeItem(at: folder.appendingPathComponent("a.wrd"))
            let lacking = try run(["data", "combine", "a.tsv", "b.jsonl", "--output", "all.tsv"], in: folder)
            #expect(lacking.code == 65 && lacking.errors.contains("a.wrd: there is no such file"))
            let dictionary = try run(["data", "dictionary", "b.jsonl", "a.tsv", "--output", "dict.txt"], in: folder)
            #expect(dictionary.code == 0 && dictionary.errors.contains("9 symbols of 8 utterances"))
        }
    }

    @Test func convertsAndGoesOn() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder)
            _ = try run(["data", "manifest", audio.path, "--output", "a.tsv"], in: folder)
            let arguments = ["data", "convert", "a.tsv", "--output", "out/b.tsv", "--speed", "1", "1.25"]
            let made = try run(arguments, in: folder)
            #expect(made.code == 0 && made.errors.contains("convert: 8 files written, 0 kept, 0 left out"))
            let lines = try text(folder, "out/b.tsv").split(separator: "\n")
            #expect(lines.count == 9 && lines[1] == "deep/r0.flac\t8000" && lines[5] == "deep/r0-sp1.25.flac\t6400")
            #expect(try text(folder, "out/b.wrd").split(separator: "\n").count == 8)
            try FileManager.default.removeItem(atPath: folder.path + "/out/b/deep/r1.flac")
            try Data("no audio".utf8).write(to: audio.appendingPathComponent("deep/r2.wav"))
            let again = try run(arguments, in: folder)
            #expect(again.code == 65 && again.errors.contains("1 files written, 5 kept, 2 left out"))
            #expect(again.errors.contains("left out deep/r2.wav: "))
            #expect(try text(folder, "out/b.wrd") == "word 0\nword 1\nword 3\nword 0\nword 1\nword 3\n")
        }
    }

    @Test func conversionsNeverReplaceWhatTheyRead() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder)
            try FileManager.default.moveItem(at: audio, to: folder.appendingPathComponent("train"))
            #expect(try run(["data", "manifest", "train", "--output", "train.tsv"], in: folder).code == 0)
            let recording = folder.appendingPathComponent("train/deep/r0.wav")
            let (sound, list) = (try Data(contentsOf: recording), try text(folder, "train.tsv"))
            for (more, complaint) in [
                (["train.jsonl", "--encoding", "wavFloat"], "train/deep/r0.wav: is a recording that "),
                (
                    ["x.tsv", "--audio-folder", "train", "--encoding", "wav16"],
                    "train/deep/r0.wav: is a recording that"
                ),
                (["train.tsv"], "train.tsv: is an input and would be replaced"),
                (["./train/../train.tsv", "--audio-folder", "y"], "train.tsv: is an input and would be replaced"),
                (["train.x", "--format", "tsv"], "train.wrd: is an input and would be replaced"),
            ] {
                let made = try run(["data", "convert", "train.tsv", "--output"] + more, in: folder)
                #expect(made.code == 65 && made.errors.contains(complaint), "\(more): \(made.errors)")
            }
            #expect(try Data(contentsOf: recording) == sound && text(folder, "train.tsv") == list)
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/train/conversion.txt"))
        }
    }

    @Test func leftOutRecordingsAreCountedInTheExitCode() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder)
            try Data("no audio".utf8).write(to: audio.appendingPathComponent("deep/r1.wav"))
            let list = ["data", "manifest", audio.path, "--output", "all.tsv"]
            let made = try run(list, in: folder)
            #expect(made.code == 65 && made.errors.contains("left out deep/r1.wav: "), "\(made.errors)")
            #expect(
                made.errors.contains("1 of 4 recordings were left out (named above); --allow-unreadable accepts that"))
            let written = try text(folder, "all.tsv")
            #expect(written.split(separator: "\n").count == 4)
            let allowed = try run(list + ["--allow-unreadable"], in: folder)
            #expect(allowed.code == 0 && allowed.errors.contains("1 of 4 recordings were left out"))
            #expect(try text(folder, "all.tsv") == written)

            try AudioFile.write([Float](repeating: 0.1, count: 9000), to: audio.appendingPathComponent("deep/r1.wav"))
            #expect(try run(list, in: folder).code == 0)
            try Data("no audio".utf8).write(to: audio.appendingPathComponent("deep/r1.wav"))
            let convert = ["data", "convert", "all.tsv", "--output", "new/all.tsv"]
            let converted = try run(convert, in: folder)
            #expect(converted.code == 65 && converted.errors.contains("3 files written, 0 kept, 1 left out"))
            #expect(try text(folder, "new/all.tsv").split(separator: "\n").count == 4)
            #expect(try run(convert + ["--allow-unreadable"], in: folder).code == 0)
        }
    }

    /// Outputs that cannot be written are found before the work, not after it.
    @Test func outputsAreCheckedFirst() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder)
            #expect(try run(["data", "manifest", audio.path, "--output", "a.tsv"], in: folder).code == 0)
            let unnamed = try run(["data", "convert", "a.tsv", "--output", "flac"], in: folder)
            #expect(unnamed.code == 64 && unnamed.errors.contains("name it flac.tsv"), "\(unnamed.errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/flac"))
            let same = ["data", "convert", "a.tsv", "--output", "b.tsv", "--audio-folder", "./b.tsv"]
            #expect(try run(same, in: folder).code == 64)
            let named = try run(
                ["data", "convert", "a.tsv", "--output", "flac", "--audio-folder", "recordings"], in: folder)
            #expect(named.code == 0, "\(named.errors)")
            for command in [["manifest", audio.path], ["combine", "a.tsv"], ["convert", "a.tsv"]] {
                let outcome = try run(["data"] + command + ["--output", "audio"], in: folder)
                #expect([1, 64].contains(outcome.code), "\(outcome.errors)")
                let other = try run(
                    ["data"] + command + ["--output", "recordings", "--labels", "none"]
                        + (command[0] == "convert" ? ["--audio-folder", "more"] : []), in: folder)
                #expect(other.code == 1 && other.errors.contains("is a folder, and the manifest is a file"))
                #expect(!other.errors.contains("left out") && !other.errors.contains("files written"))
            }
        }
    }

    /// Lack of space for ffmpeg's output is this machine's fault, not the recording's.
    @Test(.enabled(if: AudioFile.externalDecoder != nil)) func noRoomIsAFailure() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder, transcripts: 0)
            let decoder = try #require(AudioFile.externalDecoder)
            _ = try runTool(
                decoder, ["-nostdin", "-v", "quiet", "-i", audio.path + "/deep/r0.wav", audio.path + "/deep/m.m4a"])
            let list = ["data", "manifest", audio.path, "--extensions", "wav", "m4a", "--output", "all.tsv"]
            let none = try run(list, in: folder, environment: ["TMPDIR": "/dev/full"])
            #expect(
                none.code == 1 && none.errors.contains("m.m4a: the recording could not be decoded"), "\(none.errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/all.tsv"))
            #expect(try run(list, in: folder).code == 0)
        }
    }

    /// All files of a folder, by name.
    private func contents(_ folder: URL) throws -> [String: Data] {
        var contents: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            contents[name] = try? Data(contentsOf: folder.appendingPathComponent(name))
        }
        return contents
    }

    @Test func listsNeverReplaceTheirInputs() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder)
            for name in ["train.tsv", "test.tsv", "valid.jsonl"] {
                #expect(try run(["data", "manifest", audio.path, "--output", name], in: folder).code == 0)
            }
            let before = try contents(folder)
            for (arguments, name) in [
                (["combine", "train.tsv", "test.tsv", "--output", "train.tsv"], "train.tsv"),
                (["manifest", "train.tsv", "--output", "train.tsv", "--valid-percent", "25"], "train.tsv"),
                (["manifest", "train.tsv", "--output", "train.x", "--format", "tsv"], "train.wrd"),
                (
                    ["manifest", "valid.jsonl", "--output", "x.jsonl", "--valid-percent", "25"], "valid.jsonl"
                ),
            ] {
                let made = try run(["data"] + arguments, in: folder)
                #expect(made.code == 65, "\(arguments)")
                #expect(made.errors.contains("\(name): is an input and would be replaced"), "\(made.errors)")
            }
            // A failure after one part was read leaves everything unchanged.
            try Data("A |\n".utf8).write(to: folder.appendingPathComponent("test.ltr"))
            let failed = try run(["data", "combine", "train.tsv", "test.tsv", "--output", "all.tsv"], in: folder)
            #expect(failed.code == 65 && failed.errors.contains("test.ltr: has 1 lines"))
            try before["test.ltr"]?.write(to: folder.appendingPathComponent("test.ltr"))
            #expect(try contents(folder) == before)
        }
    }

    @Test func labelsOfAnotherListAreNeverLeftBeside() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder, transcripts: 0)
            let list = ["data", "manifest", audio.path, "--output", "l/train.tsv", "--valid-percent", "50"]
            #expect(try run(list, in: folder).code == 0)
            let texts = folder.appendingPathComponent("texts")
            try Data("r0\ta\nr1\tb\nr2\tc\nr3\td\n".utf8).write(to: texts)
            for name in ["train", "valid"] {
                let labels = ["data", "labels", "--manifest", "l/\(name).tsv", "--transcripts", "texts"]
                #expect(try run(labels, in: folder).code == 0)
            }
            let before = try contents(folder.appendingPathComponent("l"))
            // The same list matches the same labels.
            #expect(try run(list, in: folder).code == 0)
            let seeds = try (1...8).map { seed in try run(list + ["--seed", "\(seed)"], in: folder) }
            let refused = try #require(seeds.first { $0.code != 0 })
            #expect(refused.code == 65)
            #expect(
                refused.errors.contains(
                    "l/train.tsv: nothing was written, because l/train.ltr, l/train.wrd, l/valid.ltr, "))
            #expect(try contents(folder.appendingPathComponent("l")) == before)
            // A list without labels changes them too; but labels that are rewritten are harmless.
            try Data("a\n".utf8).write(to: audio.appendingPathComponent("deep/r0.txt"))
            let one = ["data", "manifest", audio.path, "--output", "l/train.tsv", "--labels"]
            let none = try run(one + ["none"], in: folder)
            #expect(none.code == 65 && none.errors.contains("remove the old files, or choose another --output"))
            for index in 1..<4 { try Data("t\n".utf8).write(to: audio.appendingPathComponent("deep/r\(index).txt")) }
            #expect(try run(one + ["ltr"], in: folder).errors.contains("because l/train.wrd would be taken for"))
            #expect(try run(one + ["ltr", "wrd"], in: folder).code == 0)
        }
    }

    @Test(arguments: AudioFileFormat.allCases)
    func aFullDiskEndsAConversion(format: AudioFileFormat) throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder)
            #expect(try run(["data", "manifest", audio.path, "--output", "a.tsv"], in: folder).code == 0)
            // No file may grow beyond 1024 bytes.
            let code = try runTool(
                URL(fileURLWithPath: "/bin/bash"),
                [
                    "-c", "trap '' XFSZ; ulimit -f 1; \"$0\" \"$@\" 2>errors", BuiltProgram.url.path, "data", "convert",
                    "a.tsv", "--output", "b/b.tsv", "--encoding", format.rawValue,
                ], in: folder)
            let errors = try text(folder, "errors")
            #expect(code == 1, "\(errors)")
            #expect(errors.contains(".\(format.pathExtension): the audio file cannot be written ("), "\(errors)")
            #expect(errors.contains("file size limit") && !errors.contains("left out"), "\(errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/b/b.tsv"))
            let left = try FileManager.default.subpathsOfDirectory(atPath: folder.path + "/b")
            #expect(!left.contains { $0.hasSuffix(".partial") }, "\(left)")
        }
    }

    /// LibriSpeech's transcripts: a key, a space and the text.
    @Test func labelsAreTakenFromLibriSpeechsLists() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder, transcripts: 0)
            let list = audio.appendingPathComponent("deep/r.trans.txt")
            try Data("r2 THREE\nr0 ONE WORD\nr1 TWO\nr3 FOUR\n".utf8).write(to: list)
            #expect(try run(["data", "manifest", audio.path, "--output", "all.tsv"], in: folder).code == 0)
            #expect(try text(folder, "all.wrd") == "ONE WORD\nTWO\nTHREE\nFOUR\n")
            let plain = ["data", "manifest", audio.path, "--output", "p/train.tsv", "--labels", "none"]
            #expect(try run(plain + ["--valid-percent", "25"], in: folder).code == 0)
            let both = ["data", "labels", "--manifest", "p/train.tsv", "p/valid.tsv"]
            let made = try run(both + ["--transcripts", list.path], in: folder)
            #expect(made.code == 0, "\(made.errors)")
            #expect(made.errors.contains("p/train.ltr and train.wrd: 3 transcripts\n  deep/r"))
            #expect(made.errors.contains("deep/r3.wav ⇒ FOUR") && made.errors.contains("p/valid.ltr"))
            let words = try text(folder, "p/train.wrd") + text(folder, "p/valid.wrd")
            #expect(words.split(separator: "\n").sorted() == ["FOUR", "ONE WORD", "THREE", "TWO"])
            // Repeating the command changes nothing; other labels need --force.
            #expect(try run(both, in: folder).code == 0)
            try Data("r2 3\nr0 1\nr1 2\nr3 4\n".utf8).write(to: list)
            let before = try contents(folder.appendingPathComponent("p"))
            let refused = try run(both, in: folder)
            #expect(refused.code == 1 && refused.errors.contains("p/train.ltr and p/train.wrd and p/valid.ltr"))
            #expect(refused.errors.contains("--force"))
            #expect(try contents(folder.appendingPathComponent("p")) == before)
            #expect(try run(both + ["--force"], in: folder).code == 0)
            #expect(try text(folder, "p/valid.wrd").utf8.count == 2)
            // Another corpus' list has the right number of lines.
            try Data("a-1 X\na-2 Y\na-3 Z\n".utf8).write(to: folder.appendingPathComponent("other.txt"))
            let other = ["data", "labels", "--manifest", "p/train.tsv", "--transcripts", "other.txt", "--force"]
            let foreign = try run(other, in: folder)
            #expect(foreign.code == 65 && foreign.errors.contains("other.txt:1: \"a-1 X\" begins with what looks like"))
        }
    }

    @Test func labelsGoBesideTabsOnly() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder, transcripts: 0)
            #expect(try run(["data", "manifest", audio.path, "--output", "a.jsonl"], in: folder).code == 0)
            try Data("a\nb\nc\nd\n".utf8).write(to: folder.appendingPathComponent("texts"))
            for (list, place) in [("a.jsonl", "under \"text\""), ("audio", "a .txt beside each recording")] {
                let made = try run(["data", "labels", "--manifest", list, "--transcripts", "texts"], in: folder)
                #expect(made.code == 65 && made.errors.contains(place), "\(made.errors)")
                #expect(made.errors.contains("\(list): expected a .tsv"), "\(made.errors)")
            }
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/a.ltr"))
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/audio.ltr"))
        }
    }

    @Test func dictionariesOfNothingAreNotWritten() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder)
            #expect(try run(["data", "manifest", audio.path, "--output", "a.tsv"], in: folder).code == 0)
            let file = folder.appendingPathComponent("a.ltr")
            try Data("\n\n\n\n".utf8).write(to: file)
            let refused = try run(["data", "dictionary", "a.tsv", "--output", "dict.txt"], in: folder)
            #expect(refused.code == 65 && refused.errors.contains("a.ltr: all 4 label lines are empty"))
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/dict.txt"))
            try Data("\nA |\n\n\n".utf8).write(to: file)
            let made = try run(["data", "dictionary", "a.tsv", "--output", "dict.txt"], in: folder)
            #expect(made.code == 0 && made.errors.contains("3 of 4 utterances have empty labels"))
        }
    }

    @Test func tagsAreKeptInJSONLines() throws {
        try withTemporaryFolder { folder in
            let audio = try recordings(folder, count: 2)
            let lines = """
                {"audio_filepath": "audio/deep/r0.wav", "duration": 0.5, "text": "a", "speaker": "ann", "n": 1.50}
                {"audio_filepath": "audio/deep/r1.wav", "duration": 0.525, "text": "b", "x\\u0079": [1, {"z": "ü/\\""}]}
                """
            try Data(lines.utf8).write(to: folder.appendingPathComponent("a.jsonl"))
            for (arguments, suffix) in [
                (["manifest", "a.jsonl"], ", \"text\": \"a\", \"speaker\": \"ann\", \"n\": 1.50}"),
                (["manifest", "a.jsonl", "--labels", "none"], ", \"speaker\": \"ann\", \"n\": 1.50}"),
                (["combine", "a.jsonl", "a.jsonl"], ", \"text\": \"a\", \"speaker\": \"ann\", \"n\": 1.50}"),
                (["convert", "a.jsonl"], ", \"text\": \"a\", \"speaker\": \"ann\", \"n\": 1.50}"),
            ] {
                let made = try run(["data"] + arguments + ["--output", "b.jsonl"], in: folder)
                #expect(made.code == 0 && !made.errors.contains("cannot hold"), "\(made.errors)")
                let written = try text(folder, "b.jsonl").split(separator: "\n")
                #expect(written[0].hasSuffix(suffix), "\(written)")
                #expect(written[1].hasSuffix(", \"xy\": [1,{\"z\":\"ü/\\\"\"}]}"), "\(written)")
            }
            let tabs = try run(["data", "manifest", "a.jsonl", "--output", "b.tsv"], in: folder)
            #expect(tabs.code == 0 && tabs.errors.contains("a .tsv cannot hold n, speaker, xy: left out"))
            let kaldi = folder.appendingPathComponent("kaldi")
            try FileManager.default.createDirectory(at: kaldi, withIntermediateDirectories: true)
            for (name, content) in [
                ("wav.scp", "u0 \(audio.path)/deep/r0.wav\nu1 \(audio.path)/deep/r1.wav\n"), ("text", "u0 a\nu1 b\n"),
                ("utt2spk", "u0 ann\nu1 bob\n"), ("spk2gender", "bob m\n"), ("spk2utt", "ann u0\nbob u1\n"),
            ] { try Data(content.utf8).write(to: kaldi.appendingPathComponent(name)) }
            let made = try run(["data", "manifest", "kaldi", "--output", "k.jsonl"], in: folder)
            #expect(made.code == 0, "\(made.errors)")
            let written = try text(folder, "k.jsonl").split(separator: "\n")
            #expect(written[0].hasSuffix(", \"text\": \"a\", \"id\": \"u0\", \"speaker\": \"ann\"}"), "\(written)")
            #expect(written[1].hasSuffix(", \"id\": \"u1\", \"gender\": \"m\", \"speaker\": \"bob\"}"), "\(written)")
        }
    }

    @Test func wrongUsageIsSixtyFour() throws {
        for arguments in [
            ["data", "convert", "a.tsv", "--output", "b.tsv", "--speed", "0"],
            ["data", "convert", "a.tsv", "--output", "b.tsv", "--encoding", "wma"],
            ["data", "convert", "a.tsv", "--output", "b.tsv", "--encoding", "opus", "--sample-rate", "22050"],
            ["data", "combine", "a.tsv", "--output", "b.jsonl", "--labels", "ltr", "wrd"],
            ["data", "manifest", "a", "--output", "b.tsv", "--format", "xml"],
            ["data", "combine", "--output", "b.tsv"],
        ] {
            #expect(try run(arguments).code == 64, "\(arguments)")
        }
        let lost = try run("data", "manifest", "nowhere", "--output", "b.tsv")
        #expect(lost.code == 65 && lost.errors.contains("nowhere: there is no such file"))
    }
}
